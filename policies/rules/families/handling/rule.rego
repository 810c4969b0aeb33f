# METADATA
# title: Telemetry of certain places is handled with care
# description: Obligations such as encryption, for every process of the sender.
# custom:
#   controls_of: [handling]
#   level: advisory
#   remediation: The family's.
package rules.families.handling

import data.lib.families
import data.lib.result
import data.lib.scope

duties := families.of_sender(_duties, result.rule_name(rego.metadata.chain()))

_duties[name][row] := {{"type": kind} | some kind in row.obligations} if {
	some name in scope.families
	some row in data.data[name].handling
	scope.applies(object.get(row, "applies_to", {}))
}
