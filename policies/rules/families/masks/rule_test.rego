package rules.families.masks_test

import data.lib.fixtures_test as fixtures
import data.rules.families.masks as rule

_from(region) := fixtures.asked_from(object.union(fixtures.sender, {"region": region}), [])

test_masks_where_the_law_reaches if {
	every region, control in {"eu-west-1": "GDPR/Art.5(1)(c)", "uksouth": "UK-GDPR/Art.5(1)(c)"} {
		duties := rule.duties with input as _from(region)
		fixtures.controls(duties) == {control}
		{finding.obligations | some finding in duties} == {{{"type": "mask", "attributes": ["process.owner"]}}}
		{finding.reason.level | some finding in duties} == {"advisory"}
	}
}

test_masks_where_nobody_knows_the_law if {
	count(rule.duties) == 2 with input as _from("moon")
}

test_leaves_others_alone if {
	every region in ["us-east-1", "eu-central-2", "ap-southeast-1"] {
		rule.duties == set() with input as _from(region)
	}
}

test_a_row_may_narrow_its_family if {
	narrowed := object.union(data.data, {"gdpr": {"masks": [object.union(
		data.data.gdpr.masks[0],
		{"applies_to": {"regions": ["eu-west-3"]}},
	)]}})
	rule.duties == set() with input as _from("eu-west-1") with data.data as narrowed
	count(rule.duties) == 1 with input as _from("eu-west-3") with data.data as narrowed
}
