package rules.hipaa.phi_services_test

import data.lib.fixtures_test as fixtures
import data.rules.hipaa.phi_services as rule

_concerned := {
	"patient-data-service": "hipaa-patient-data",
	"medical-records-api-v2": "hipaa-medical-records",
	"prescription-processor": "hipaa-prescriptions",
}

test_protects if {
	every name, id in _concerned {
		found := rule.findings[0] with input as fixtures.asked([fixtures.named(name)])
		fixtures.ids(found) == {id}
		{finding.reason.level | some finding in found} == {"hard"}
	}
}

test_protects_whatever_the_case if {
	every name, _ in _concerned {
		rule.findings[0] with input as fixtures.asked([fixtures.named(upper(name))])
	}
}

test_leaves_near_misses_alone if {
	every name in ["inpatient-data-service", "patient-data", "prescription-process"] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_leaves_others_alone if {
	every name in ["log-shipper", "backup-service", "update-agent", "game-server-7", ""] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_names_the_rule_of_its_path if {
	some name, _ in _concerned
	some finding in rule.findings[0] with input as fixtures.asked([fixtures.named(name)])
	finding.reason.rule == "rules.hipaa.phi_services"
	finding.reason.remediation != ""
}

test_obliges_to_full_encrypted_records if {
	found := rule.findings[0] with input as fixtures.asked([fixtures.named("patient-data-service")])
	some finding in found
	finding.obligations == {{"type": "no_sampling"}, {"type": "full_audit"}, {"type": "encrypt"}}
}
