# METADATA
# title: Audit history behind financial reports is retained
# description: Seven years.
# custom:
#   controls:
#     - SOX/802
#   level: advisory
#   remediation: Send the history to a store that keeps it this long.
package rules.sox.retention

import data.lib.patterns
import data.lib.result

# Whatever row brings a process into scope, its history is kept.
findings := {position: {result.finding(row, {_duty(row)}, rego.metadata.chain()) | some row in data.data.sox.retention} |
	some position, _ in patterns.hits.sox
}

_duty(row) := object.union({"type": "retain_days"}, row.retain_days)
