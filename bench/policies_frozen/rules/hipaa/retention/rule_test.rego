package rules.hipaa.retention_test

import data.lib.fixtures_test as fixtures
import data.rules.hipaa.retention as rule

test_obliges_to_keep_history if {
	found := rule.findings[0] with input as fixtures.asked([fixtures.named("patient-data-service")])
	{duty | some finding in found; some duty in finding.obligations} == {{"type": "retain_days", "at_least": 2190}, {"type": "retain_days", "at_least": 2555}}
}

test_protects_nothing_itself if {
	found := rule.findings[0] with input as fixtures.asked([fixtures.named("patient-data-service")])
	every finding in found {
		finding.reason.level == "advisory"
	}
}

test_leaves_near_misses_alone if {
	rule.findings == {} with input as fixtures.asked([fixtures.named("inpatient-data-service")])
}

test_leaves_others_alone if {
	rule.findings == {} with input as fixtures.asked([fixtures.named("log-shipper")])
}
