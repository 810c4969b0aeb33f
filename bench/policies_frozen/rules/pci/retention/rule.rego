# METADATA
# title: Audit history of cardholder systems is retained
# description: Twelve months of history, the latest three at hand.
# custom:
#   controls:
#     - PCI-DSS-4.0.1/10.5.1
#   level: advisory
#   remediation: Send the history to a store that keeps it this long.
package rules.pci.retention

import data.lib.patterns
import data.lib.result

# Whatever row brings a process into scope, its history is kept.
findings := {position: {result.finding(row, {_duty(row)}, rego.metadata.chain()) | some row in data.data.pci.retention} |
	some position, _ in patterns.hits.pci
}

_duty(row) := object.union({"type": "retain_days"}, row.retain_days)
