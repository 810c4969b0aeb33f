# METADATA
# title: History is kept as long as evidence asks and privacy allows
# description: |
#   Periods of retention, for the processes that a family protects or for every process of a sender.
#   Where nobody knows the sender's law, nothing has to be deleted.
# custom:
#   controls_of: [retention]
#   level: advisory
#   remediation: The family's.
package rules.families.retention

import data.lib.families
import data.lib.result
import data.lib.scope

findings := families.of_services(_duties, result.rule_name(rego.metadata.chain()))

duties := families.of_sender(_duties, result.rule_name(rego.metadata.chain()))

_duties[name][row] := {object.union({"type": "retain_days"}, days)} if {
	some name in scope.families
	some row in data.data[name].retention
	scope.applies(object.get(row, "applies_to", {}))
	days := _known(row.retain_days)
	count(days) > 0
}

_known(days) := days if scope.listed

_known(days) := object.remove(days, ["at_most"]) if not scope.listed
