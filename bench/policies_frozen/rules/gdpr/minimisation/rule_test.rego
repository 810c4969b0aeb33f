package rules.gdpr.minimisation_test

import data.lib.fixtures_test as fixtures
import data.rules.gdpr.minimisation as rule

test_obliges if {
	duties := rule.duties with input as fixtures.asked_from(object.union(fixtures.sender, {"region": "eu-west-1"}), [])
	fixtures.controls(duties) == {"GDPR/Art.5(1)(c)"}
	{duty.type | some finding in duties; some duty in finding.obligations} == {"mask"}
	every finding in duties {
		finding.reason.level == "advisory"
	}
}

test_leaves_near_misses_alone if {
	every place in ["eu-west-2", "eu-central-2", "xeu-west-1", "eu-west-1x", "EU-WEST-1", "eastus"] {
		rule.duties == set() with input as fixtures.asked_from(object.union(fixtures.sender, {"region": place}), [])
	}
}

test_leaves_others_alone if {
	rule.duties == set() with input as fixtures.asked_from(object.union(fixtures.sender, {"region": "us-east-1"}), [])
}
