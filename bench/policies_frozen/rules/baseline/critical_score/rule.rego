# METADATA
# title: Processes with a critical score are kept
# description: A score in the highest buckets says that the process matters, whatever its name.
# custom:
#   controls:
#     - BASELINE/critical-score
#   level: hard
#   remediation: Keep the process, or have the classification that scores it reviewed.
package rules.baseline.critical_score

import data.lib.result

findings := {position: {result.finding(_row, set(), rego.metadata.chain())} |
	at_least := _row.at_least
	some position, proposal in input.proposals
	proposal.score >= at_least
}

_row := data.data.baseline.critical_score
