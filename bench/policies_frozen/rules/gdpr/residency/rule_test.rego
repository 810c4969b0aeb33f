package rules.gdpr.residency_test

import data.lib.fixtures_test as fixtures
import data.rules.gdpr.residency as rule

test_obliges if {
	duties := rule.duties with input as fixtures.asked_from(object.union(fixtures.sender, {"region": "westeurope"}), [])
	fixtures.controls(duties) == {"GDPR/Art.44"}
	{duty.type | some finding in duties; some duty in finding.obligations} == {"allowed_regions"}
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
