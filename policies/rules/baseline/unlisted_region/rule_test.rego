package rules.baseline.unlisted_region_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.unlisted_region as rule

_from(region) := fixtures.asked_from(object.union(fixtures.sender, {"region": region}), [])

test_names_what_is_not_listed if {
	every region in ["moon", "eu-west-1x", "EU-WEST-1", ""] {
		duties := rule.duties with input as _from(region)
		fixtures.controls(duties) == {"BASELINE/unlisted-region"}
		{finding.reason.level | some finding in duties} == {"advisory"}
	}
}

test_leaves_listed_regions_alone if {
	every region in ["us-east-1", "westeurope", "dc-london"] {
		rule.duties == set() with input as _from(region)
	}
}
