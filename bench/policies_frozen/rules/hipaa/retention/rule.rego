# METADATA
# title: Audit history of services with health information is retained
# description: Six years by the Security Rule, seven by state law on medical records. The longest wins.
# custom:
#   controls:
#     - HIPAA/164.316(b)(2)(i)
#     - STATE-MEDICAL-RECORDS/7-years
#   level: advisory
#   remediation: Send the history to a store that keeps it this long.
package rules.hipaa.retention

import data.lib.patterns
import data.lib.result

# Whatever row brings a process into scope, its history is kept.
findings := {position: {result.finding(row, {_duty(row)}, rego.metadata.chain()) | some row in data.data.hipaa.retention} |
	some position, _ in patterns.hits.hipaa
}

_duty(row) := object.union({"type": "retain_days"}, row.retain_days)
