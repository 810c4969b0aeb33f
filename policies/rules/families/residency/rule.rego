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
import data.lib.scope

findings := families.of_services(_duties, "residency", rego.metadata.chain())

duties := families.of_sender(_duties, "residency", rego.metadata.chain())

_duties[name][index] := {{"type": "allowed_regions", "regions": _regions(row)}} if {
	scope.listed
	some name in scope.families
	some index, row in data.data[name].residency
	scope.applies(object.get(row, "applies_to", {}))
}

_regions(row) := sort({region | some name in places; some region in data.data.regions.places[name].regions} | {site.region | some site in data.data.regions.sites; site.place in places}) if {
	allowed := {jurisdiction | some jurisdiction in row.jurisdictions} | _adequate(object.get(row, "adequacy", ""))
	places := {name |
		some name, place in data.data.regions.places
		count({jurisdiction | some jurisdiction in place.jurisdictions} & allowed) > 0
	}
}

_adequate(authority) := {decision.jurisdiction |
	some decision in data.data.adequacy.decisions
	decision.authority == authority
	decision.relied_on == true
}
