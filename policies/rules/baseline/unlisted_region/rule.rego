# METADATA
# title: Senders of unlisted regions are under every law
# description: What the table of regions does not list may be in any jurisdiction.
# custom:
#   controls:
#     - BASELINE/unlisted-region
#   level: advisory
#   remediation: Add the region to data/regions, as one of a place or as a site.
package rules.baseline.unlisted_region

import data.lib.result
import data.lib.scope

duties := {result.finding(data.data.baseline.unlisted_region, set(), rego.metadata.chain()) | not scope.listed}
