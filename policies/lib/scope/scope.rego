# METADATA
# title: Scope
# description: |
#   Which laws reach the sender. A condition `applies_to` names jurisdictions, regions and
#   environments; each of them that is given must hold.
package lib.scope

import data.lib.subject

# METADATA
# description: True when the table of regions says where the sender stands.
# scope: rule
listed if count(jurisdictions) > 0

# METADATA
# description: The jurisdictions of the sender's region.
# scope: rule
jurisdictions := {jurisdiction |
	some name in _places
	some jurisdiction in data.data.regions.places[name].jurisdictions
}

# METADATA
# description: |
#   True when a condition holds for the sender. A region that is not listed may be in any
#   jurisdiction, so it counts as in each, which protects more.
# scope: document
applies(condition) if {
	every kind, values in condition {
		_holds(kind, values)
	}
}

# METADATA
# description: The names of the families (tables of data with a head `family`) that reach the sender.
# scope: rule
families := {name |
	some name
	head := data.data[name].family
	applies(object.get(head, "applies_to", {}))
}

# METADATA
# description: The names of the families that do not.
# scope: rule
idle := {name | some name; data.data[name].family} - families

_holds("jurisdictions", values) if count(jurisdictions & {value | some value in values}) > 0

_holds("jurisdictions", _) if not listed

_holds("regions", values) if subject.region in values

_holds("environments", values) if subject.environment in values

_places := {name |
	some name, place in data.data.regions.places
	subject.region in place.regions
} | {site.place |
	some site in data.data.regions.sites
	site.region == subject.region
}
