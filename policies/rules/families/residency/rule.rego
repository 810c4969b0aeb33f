# METADATA
# title: Telemetry stays where the law wants it
# description: |
#   Export only to regions of the jurisdictions that a row names and, where it names an authority of
#   adequacy, of those that the table of adequacy relies on.
# custom:
#   controls_of: [residency]
#   level: advisory
#   remediation: The family's.
package rules.families.residency

import data.lib.families
import data.lib.result
import data.lib.scope

findings := families.of_services(_duties, result.rule_name(rego.metadata.chain()))

duties := families.of_sender(_duties, result.rule_name(rego.metadata.chain()))

_duties[name][row] := {{"type": "allowed_regions", "regions": _regions(row)}} if {
	scope.listed
	some name in scope.families
	some row in data.data[name].residency
	scope.applies(object.get(row, "applies_to", {}))
}

_regions(row) := sort({region | some region, place in data.data.regions.regions; place in places} | {site.region |
	some site in data.data.regions.sites
	site.place in places
}) if {
	allowed := {jurisdiction | some jurisdiction in row.jurisdictions} | _adequate(object.get(row, "adequacy", ""))
	places := {place |
		some place, jurisdictions in data.data.regions.places
		some jurisdiction in jurisdictions
		jurisdiction in allowed
	}
}

_adequate(authority) := {decision.jurisdiction |
	some decision in data.data.adequacy.decisions
	decision.authority == authority
	decision.relied_on == true
}
