package lib.obligations_test

import data.lib.obligations

_kept(days) := object.union({"type": "retain_days"}, days)

test_the_longest_evidence_and_the_shortest_limit_win if {
	duties := {
		_kept({"at_least": 2190}),
		_kept({"at_least": 2555, "at_hand": 30}),
		_kept({"at_hand": 90}),
		_kept({"at_most": 4000}),
		_kept({"at_most": 3000}),
	}
	obligations.merge(duties) == [_kept({"at_least": 2555, "at_hand": 90, "at_most": 3000})]
}

test_evidence_wins_over_limits if {
	duties := {_kept({"at_least": 365, "at_hand": 90}), _kept({"at_most": 30})}
	obligations.merge(duties) == [_kept({"at_least": 365, "at_hand": 90})]
}

test_equal_days_do_not_collide if {
	duties := {_kept({"at_least": 30}), _kept({"at_most": 30})}
	obligations.merge(duties) == [_kept({"at_least": 30, "at_most": 30})]
}

test_only_regions_that_all_allow_remain if {
	one := {"type": "allowed_regions", "regions": ["b", "a", "c"]}
	other := {"type": "allowed_regions", "regions": ["c", "d", "b"]}
	obligations.merge({one, other}) == [{"type": "allowed_regions", "regions": ["b", "c"]}]
	obligations.merge({one, {"type": "allowed_regions", "regions": ["z"]}}) == [{"type": "allowed_regions", "regions": []}]
}

test_masks_add_up if {
	duties := {{"type": "mask", "attributes": ["b"]}, {"type": "mask", "attributes": ["a", "b"]}}
	obligations.merge(duties) == [{"type": "mask", "attributes": ["a", "b"]}]
}

test_the_rest_stands_once_in_order if {
	duties := {{"type": "no_sampling"}, {"type": "encrypt"}, {"type": "new-kind", "x": 1}}
	obligations.merge(duties) == [{"type": "encrypt"}, {"type": "new-kind", "x": 1}, {"type": "no_sampling"}]
}

test_nothing_makes_nothing if obligations.merge(set()) == []

_finding(control, row, duty) := {"reason": {"control": control}, "row": row, "obligations": {duty}}

test_what_is_at_hand_is_kept_too if {
	duties := {_kept({"at_hand": 90}), _kept({"at_most": 30})}
	obligations.merge(duties) == [_kept({"at_hand": 90})]
}

test_a_conflict_of_retention_names_both_controls_and_rows if {
	findings := {
		_finding("A/1", "a-short", _kept({"at_least": 365})),
		_finding("A/2", "a-long", _kept({"at_least": 2557, "at_hand": 90})),
		_finding("B/1", "b-loose", _kept({"at_most": 4000})),
		_finding("B/2", "b-strict", _kept({"at_most": 30})),
	}
	[reason] := obligations.conflicts(findings)
	reason.control == "BASELINE/retention-conflict"
	reason.level == "advisory"
	endswith(reason.message, ": A/2 (a-long) asks for at least 2557 days, B/2 (b-strict) for at most 30")
}

test_retention_that_fits_is_no_conflict if {
	every limit in [365, 366, 4000] {
		findings := {
			_finding("A/1", "a", _kept({"at_least": 365})),
			_finding("B/1", "b", _kept({"at_most": limit})),
		}
		obligations.conflicts(findings) == []
	}
	obligations.conflicts({_finding("A/1", "a", _kept({"at_least": 365}))}) == []
	obligations.conflicts({_finding("B/1", "b", _kept({"at_most": 30}))}) == []
	obligations.conflicts(set()) == []
}

_within(regions) := {"type": "allowed_regions", "regions": regions}

test_a_conflict_of_regions_is_hard_and_names_all_controls_and_rows if {
	findings := {
		_finding("A/1", "a", _within(["x", "y"])),
		_finding("B/1", "b", _within(["z"])),
	}
	[reason] := obligations.conflicts(findings)
	reason.control == "BASELINE/residency-conflict"
	reason.level == "hard"
	endswith(reason.message, ": A/1 (a) and B/1 (b)")
}

test_a_law_without_any_region_is_a_conflict_too if {
	[reason] := obligations.conflicts({_finding("A/1", "a", _within([]))})
	reason.control == "BASELINE/residency-conflict"
}

test_regions_in_common_are_no_conflict if {
	findings := {
		_finding("A/1", "a", _within(["x", "y"])),
		_finding("B/1", "b", _within(["y", "z"])),
		_finding("C/1", "c", {"type": "encrypt"}),
	}
	obligations.conflicts(findings) == []
}
