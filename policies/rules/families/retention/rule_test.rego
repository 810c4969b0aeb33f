package rules.families.retention_test

import data.lib.fixtures_test as fixtures
import data.rules.families.retention as rule

_from(region, names) := fixtures.asked_from(
	object.union(fixtures.sender, {"region": region}),
	[fixtures.named(name) | some name in names],
)

_days(findings) := {duty | some finding in findings; some duty in finding.obligations}

_kept(days) := object.union({"type": "retain_days"}, days)

test_keeps_the_history_of_what_is_protected if {
	every name, days in {
		"payment-gateway-eu": {_kept({"at_least": 366, "at_hand": 92})},
		"ledger-api": {_kept({"at_least": 2557})},
		"patient-data-service": {_kept({"at_least": 2192}), _kept({"at_least": 2557})},
		"wire-transfer-1": {_kept({"at_least": 1827})},
	} {
		found := rule.findings[0] with input as _from("us-east-1", [name])
		_days(found) == days
		{finding.reason.level | some finding in found} == {"advisory"}
	}
}

test_each_position_has_its_own if {
	found := rule.findings with input as _from("us-east-1", ["ledger-api", "log-shipper", "wire-transfer-1"])
	object.keys(found) == {0, 2}
	fixtures.ids(found[2]) == {"nydfs-five-years"}
}

test_laws_of_elsewhere_ask_for_nothing if {
	every region in ["eu-west-1", "ap-southeast-1"] {
		rule.findings == {} with input as _from(region, ["wire-transfer-1"])
	}
}

test_leaves_near_misses_and_others_alone if {
	every name in ["xpayment-gateway-eu", "pledger-api", "inpatient-data-service", "log-shipper"] {
		rule.findings == {} with input as _from("us-east-1", [name])
	}
}

test_personal_data_is_deleted_in_time if {
	every region, id in {"eu-west-1": "gdpr-thirty-days", "norwayeast": "gdpr-thirty-days", "uksouth": "uk-gdpr-ninety-days"} {
		duties := rule.duties with input as _from(region, [])
		fixtures.ids(duties) == {id}
	}
	duties := rule.duties with input as _from("westeurope", [])
	_days(duties) == {_kept({"at_most": 30})}
}

test_what_holds_for_the_sender_is_said_once if {
	rule.findings == {} with input as _from("eu-west-1", ["gdpr-audit-service"])
}

test_no_law_of_deletion_elsewhere_or_where_nobody_knows if {
	every region in ["us-east-1", "eu-central-2", "EU-WEST-1", "moon", ""] {
		rule.duties == set() with input as _from(region, [])
	}
}

test_evidence_is_kept_where_nobody_knows_the_law if {
	found := rule.findings[0] with input as _from("moon", ["wire-transfer-1"])
	"nydfs-five-years" in fixtures.ids(found)
}

test_a_row_may_narrow_its_family if {
	narrowed := object.union(data.data, {"sox": {"retention": [object.union(
		data.data.sox.retention[0],
		{"applies_to": {"environments": ["test"]}},
	)]}})
	rule.findings == {} with input as _from("us-east-1", ["ledger-api"]) with data.data as narrowed
}
