package lib.result_test

import data.lib.result

_chain(annotations) := [
	{"path": ["rules", "pci", "cardholder_systems", "findings"]},
	{"path": ["rules", "pci", "cardholder_systems"], "annotations": annotations},
]

_row := {"id": "row-1", "control": "A/1", "reason": "because"}

test_the_reason_is_made_of_metadata_and_row if {
	chain := _chain({"title": "T", "custom": {"controls": ["A/1"], "level": "soft", "remediation": "mend"}})
	result.finding(_row, {{"type": "encrypt"}}, chain) == {
		"reason": {
			"control": "A/1",
			"rule": "rules.pci.cardholder_systems",
			"level": "soft",
			"message": "T: because (row-1)",
			"remediation": "mend",
		},
		"row": "row-1",
		"obligations": {{"type": "encrypt"}},
		"sample_permille": 1000,
	}
}

test_missing_metadata_or_row_protects_all_the_same if {
	bare := [{"path": ["rules", "pci", "x", "findings"]}, {"path": ["rules", "pci", "x"]}]
	every chain in [bare, _chain({}), _chain({"custom": {}})] {
		result.finding({}, set(), chain).reason.level == "hard"
	}
}

test_rows_of_other_rules_are_left_to_them if {
	chain := _chain({"custom": {"controls": ["A/1"]}})
	other := {"id": "row-2", "control": "B/1"}
	found := result.findings({3: {_row, other}, 5: {other}}, set(), chain)
	object.keys(found) == {3}
	count(found[3]) == 1
}

_head := {"title": "Law 7", "remediation": "mend"}

test_the_reason_of_a_family_is_made_of_its_head_and_row if {
	finding := result.of_family(_head, _row, set(), "rules.families.x", "soft")
	finding.row == "row-1"
	finding.reason == {
		"control": "A/1",
		"rule": "rules.families.x",
		"level": "soft",
		"message": "Law 7: because (row-1)",
		"remediation": "mend",
	}
}

test_a_row_may_bring_its_own_remediation if {
	row := object.union(_row, {"remediation": "do so", "sample_permille": 250})
	finding := result.of_family(_head, row, set(), "rules.families.x", "hard")
	finding.reason.remediation == "do so"
	finding.sample_permille == 250
}

test_a_family_without_a_head_protects_all_the_same if {
	finding := result.of_family({}, {}, set(), "rules.families.x", "hard")
	[finding.reason.level, finding.sample_permille, finding.row] == ["hard", 1000, "no id"]
}
