package lib.families_test

import data.lib.families
import data.lib.fixtures_test as fixtures

_row := {"id": "r", "control": "A/1", "reason": "because"}

test_a_table_without_a_head_protects_all_the_same if {
	every level in ["hard", "family"] {
		found := families.protecting({"headless": {3: {_row}}}, level, "rules.x.y")
		{finding.reason.level | some finding in found[3]} == {"hard"}
		fixtures.ids(found[3]) == {"r"}
	}
}

test_each_position_has_the_findings_of_all_its_families if {
	other := object.union(_row, {"id": "s"})
	found := families.protecting({"pci": {0: {_row}}, "sox": {0: {other}, 2: {other}}}, "hard", "rules.x.y")
	{position: fixtures.ids(findings) | some position, findings in found} == {0: {"r", "s"}, 2: {"s"}}
}

test_obligations_and_remediation_are_the_family_s_own if {
	some finding in families.protecting({"hipaa": {0: {_row}}}, "hard", "rules.x.y")[0]
	finding.obligations == {{"type": "no_sampling"}, {"type": "full_audit"}, {"type": "encrypt"}}
	finding.reason.remediation == data.data.hipaa.family.remediation
	startswith(finding.reason.message, "HIPAA: ")
}

test_tables_of_no_family_are_left_to_their_rules if {
	asked := fixtures.asked([fixtures.named("game-server-7"), fixtures.named("core-banking-x")])
	services := families.services with input as asked
	not "importance" in object.keys(services)
	object.keys(services.ffiec) == {1}
}
