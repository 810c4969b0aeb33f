# METADATA
# title: Telemetry of certain places is handled with care
# description: Obligations such as encryption, for every process of the sender.
# custom:
#   controls_of: [handling]
#   level: advisory
#   remediation: The family's.
package rules.families.handling

import data.lib.families
import data.lib.scope

duties := families.of_sender(_duties, "handling", rego.metadata.chain())

_duties[name][index] := {{"type": kind} | some kind in row.obligations} if {
	some name in scope.families
	some index, row in data.data[name].handling
	scope.applies(object.get(row, "applies_to", {}))
}
