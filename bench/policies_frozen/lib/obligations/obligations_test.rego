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
	not obligations.conflict(duties)
}

test_evidence_wins_over_limits if {
	duties := {_kept({"at_least": 365, "at_hand": 90}), _kept({"at_most": 30})}
	obligations.merge(duties) == [_kept({"at_least": 365, "at_hand": 90})]
	obligations.conflict(duties)
}

test_equal_days_do_not_collide if {
	duties := {_kept({"at_least": 30}), _kept({"at_most": 30})}
	obligations.merge(duties) == [_kept({"at_least": 30, "at_most": 30})]
	not obligations.conflict(duties)
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
