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
	some jurisdiction in data.data.regions.places[name]
}

# METADATA
# description: |
#   True when a condition holds for the sender. A region that is not listed may be in any
#   jurisdiction, so it counts as in each, which protects more.
# scope: document
applies(condition) if {
	_reaches(object.get(condition, "jurisdictions", []))
	subject.region in object.get(condition, "regions", [subject.region])
	subject.environment in object.get(condition, "environments", [subject.environment])
}

# METADATA
# description: The names of the families (tables of data with a head `family`) that reach the sender.
# scope: rule
families := {name | some name; data.data[name].family.title != ""} - idle

# METADATA
# description: The names of the families that do not.
# scope: rule
idle := ({name |
	listed
	some name
	wanted := data.data[name].family.applies_to.jurisdictions
	count(jurisdictions & {jurisdiction | some jurisdiction in wanted}) == 0
} | {name |
	some name
	wanted := data.data[name].family.applies_to.regions
	not subject.region in wanted
}) | {name |
	some name
	wanted := data.data[name].family.applies_to.environments
	not subject.environment in wanted
}

_reaches(values) if count(jurisdictions & {value | some value in values}) > 0

_reaches([])

_reaches(_) if not listed

_places := {place | place := data.data.regions.regions[subject.region]} | {site.place |
	some site in data.data.regions.sites
	site.region == subject.region
}
