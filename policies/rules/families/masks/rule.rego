# METADATA
# title: Attributes that name a person are masked
# description: Data minimisation. The attributes of a row leave masked, for every process of the sender.
# custom:
#   controls_of: [masks]
#   level: advisory
#   remediation: The family's.
package rules.families.masks

import data.lib.families
import data.lib.result
import data.lib.scope

duties := families.of_sender(_duties, result.rule_name(rego.metadata.chain()))

_duties[name][row] := {{"type": "mask", "attributes": row.attributes}} if {
	some name in scope.families
	some row in data.data[name].masks
	scope.applies(object.get(row, "applies_to", {}))
}
