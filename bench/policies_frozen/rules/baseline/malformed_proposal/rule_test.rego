package rules.baseline.malformed_proposal_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.malformed_proposal as rule

_changed(change) := object.union(fixtures.named("log-shipper"), change)

test_keeps_what_is_malformed if {
	every change in [
		{"action": "delete"},
		{"action": "drop", "sample_permille": 1},
		{"action": "keep", "sample_permille": 999},
		{"action": "sample", "sample_permille": 0},
		{"action": "sample", "sample_permille": 1000},
		{"action": "sample", "sample_permille": "half"},
		{"action": null},
		{"sample_permille": null},
		{"score": "high"},
		{"process": "log-shipper"},
	] {
		found := rule.findings[0] with input as fixtures.asked([_changed(change)])
		fixtures.controls(found) == {"BASELINE/malformed-proposal"}
	}
}

test_keeps_what_is_missing if {
	every name in ["action", "sample_permille", "score", "process"] {
		proposal := object.remove(fixtures.named("log-shipper"), [name])
		rule.findings[0] with input as fixtures.asked([proposal])
	}
}

test_leaves_well_formed_alone if {
	every change in [
		{"action": "drop", "sample_permille": 0},
		{"action": "sample", "sample_permille": 1},
		{"action": "sample", "sample_permille": 999},
		{"action": "keep", "sample_permille": 1000},
	] {
		rule.findings == {} with input as fixtures.asked([_changed(change)])
	}
}

test_finds_the_one_among_others if {
	proposals := [fixtures.named("a"), _changed({"action": 7}), fixtures.named("b"), "nonsense"]
	object.keys(rule.findings) == {1, 3} with input as fixtures.asked(proposals)
}
