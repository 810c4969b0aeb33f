package rules.hipaa.phi_environment_test

import data.lib.fixtures_test as fixtures
import data.rules.hipaa.phi_environment as rule

test_obliges if {
	duties := rule.duties with input as fixtures.asked_from(object.union(fixtures.sender, {"environment": "production-phi"}), [])
	fixtures.controls(duties) == {"HIPAA/164.312(a)(2)(iv)"}
	{duty.type | some finding in duties; some duty in finding.obligations} == {"full_audit", "encrypt"}
	every finding in duties {
		finding.reason.level == "advisory"
	}
}

test_leaves_near_misses_alone if {
	every place in ["production-non-phi", "xproduction-phi"] {
		rule.duties == set() with input as fixtures.asked_from(object.union(fixtures.sender, {"environment": place}), [])
	}
}

test_leaves_others_alone if {
	rule.duties == set() with input as fixtures.asked_from(object.union(fixtures.sender, {"environment": "development"}), [])
}
