# METADATA
# title: Services that a law or standard names are never filtered
# description: Whoever sends it, a process that a row `never_filter` matches keeps every sample.
# custom:
#   controls_of: [never_filter]
#   level: hard
#   remediation: The family's.
package rules.families.never_filter

import data.lib.families
import data.lib.patterns
import data.lib.result

findings := families.protecting(patterns.hits, "hard", result.rule_name(rego.metadata.chain()))
