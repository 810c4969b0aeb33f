# METADATA
# title: Services are protected where a law reaches
# description: |
#   A process that a row `services` matches is protected for the senders that its family applies to,
#   at the family's own level.
# custom:
#   controls_of: [services]
#   level: hard
#   remediation: The family's.
package rules.families.services

import data.lib.families
import data.lib.result

findings := families.protecting(families.services, "family", result.rule_name(rego.metadata.chain()))
