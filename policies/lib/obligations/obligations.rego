# METADATA
# title: Obligations
# description: |
#   Merges obligations so that each of them is met: the longest at_least, the shortest at_most, the
#   longest at_hand, the regions that all allow, the attributes that any masks. Where two cannot be
#   met at once, the more protective one stands and a reason names both.
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
#   The reasons that name the controls and rows of findings whose obligations collide: evidence that
#   must be kept longer than privacy allows (evidence wins, at_most is left out), and no region that
#   all allow.
# scope: document
conflicts(findings) := array.concat(_retention_conflict(findings), _residency_conflict(findings))

_merged("retain_days", duties) := {_retention(duties)}

_merged("allowed_regions", duties) := {{"type": "allowed_regions", "regions": sort(_common_regions(duties))}}

_merged("mask", duties) := {{"type": "mask", "attributes": attributes}} if {
	attributes := sort({attribute | some duty in duties; some attribute in duty.attributes})
}

_merged(kind, duties) := duties if not kind in {"retain_days", "allowed_regions", "mask"}

_common_regions(duties) := intersection({{region | some region in duty.regions} | some duty in duties})

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

_overruled("at_most", duties) if {
	longest := max({days | some duty in duties; some days in _evidence(duty)})
	longest > min({duty.at_most | some duty in duties})
}

# What is to be at hand is to be kept.
_evidence(duty) := {duty[name] | some name in ["at_least", "at_hand"]}

_picked("max", days) := max(days)

_picked("min", days) := min(days)

_retention_conflict(findings) := [_told("retention_conflict", explanation) |
	duties := [[duty, named] | some [duty, named] in _cited(findings, "retain_days")]
	[longest, evidence] := max({[days, named] | some [duty, named] in duties; some days in _evidence(duty)})
	[shortest, limit] := min({[duty.at_most, named] | some [duty, named] in duties})
	longest > shortest
	explanation := sprintf("%s asks for at least %d days, %s for at most %d", [evidence, longest, limit, shortest])
]

_residency_conflict(findings) := [_told("residency_conflict", explanation) |
	duties := _cited(findings, "allowed_regions")
	count(duties) > 0
	count(_common_regions({duty | some [duty, _] in duties})) == 0
	explanation := concat(" and ", sort({named | some [_, named] in duties}))
]

# {[obligation, "control (row)"], …} of one type.
_cited(findings, kind) := {[duty, named] |
	some finding in findings
	some duty in finding.obligations
	duty.type == kind
	named := sprintf("%s (%s)", [finding.reason.control, finding.row])
}

_told(name, explanation) := object.union(reason, {"message": sprintf("%s: %s", [reason.message, explanation])}) if {
	reason := data.data.baseline[name]
}
