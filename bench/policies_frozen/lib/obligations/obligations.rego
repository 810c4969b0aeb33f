# METADATA
# title: Obligations
# description: |
#   Merges obligations so that each of them is met: the longest at_least, the shortest at_most, the
#   longest at_hand, the regions that all allow, the attributes that any masks.
package lib.obligations

# METADATA
# description: A sorted array, one obligation a type, from a set of obligations.
# scope: document
merge(duties) := [duty |
	some kind in sort({duty.type | some duty in duties})
	some duty in _merged(kind, {duty | some duty in duties; duty.type == kind})
]

# METADATA
# description: |
#   True when evidence must be kept longer than privacy allows. Evidence wins, at_most is left out,
#   and the verdict says so.
# scope: document
conflict(duties) if {
	at_least := max({duty.at_least | some duty in duties; duty.type == "retain_days"})
	at_least > min({duty.at_most | some duty in duties; duty.type == "retain_days"})
}

_merged("retain_days", duties) := {_retention(duties)}

_merged(kind, duties) := {{"type": kind, "regions": regions}} if {
	kind == "allowed_regions"
	regions := sort(intersection({{region | some region in duty.regions} | some duty in duties}))
}

_merged(kind, duties) := {{"type": kind, "attributes": attributes}} if {
	kind == "mask"
	attributes := sort({attribute | some duty in duties; some attribute in duty.attributes})
}

_merged(kind, duties) := duties if not kind in {"retain_days", "allowed_regions", "mask"}

_retention(duties) := object.union(
	{"type": "retain_days"},
	{name: days |
		some name, pick in {"at_least": "max", "at_hand": "max", "at_most": "min"}
		all_days := {duty[name] | some duty in duties}
		count(all_days) > 0
		not _overruled(name, duties)
		days := _picked(pick, all_days)
	},
)

_overruled("at_most", duties) if conflict(duties)

_picked("max", days) := max(days)

_picked("min", days) := min(days)
