# METADATA
# title: Scores below the declared importance are named
# description: Importance is no protection; a scorer that rates a process lower than its owners do is worth a look.
# custom:
#   controls:
#     - BASELINE/importance
#   level: advisory
#   remediation: Have the scorer take the table of importance into account.
package rules.baseline.importance

import data.lib.patterns
import data.lib.result

findings := result.findings(_underrated, set(), rego.metadata.chain())

_underrated := {position: rows |
	some position, matched in patterns.services.importance
	rows := {row | some row in matched; input.proposals[position].score < row.importance_permille}
}
