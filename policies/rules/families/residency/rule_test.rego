package rules.families.residency_test

import data.lib.fixtures_test as fixtures
import data.rules.families.residency as rule

_from(region, names) := fixtures.asked_from(
	object.union(fixtures.sender, {"region": region}),
	[fixtures.named(name) | some name in names],
)

_regions(findings) := {region |
	some finding in findings
	some duty in finding.obligations
	duty.type == "allowed_regions"
	some region in duty.regions
}

test_the_union_stays_in_the_economic_area if {
	every region in ["eu-west-1", "westeurope", "europe-west1", "norwayeast", "dc-frankfurt"] {
		duties := rule.duties with input as _from(region, [])
		fixtures.controls(duties) == {"GDPR/Art.44"}
		{finding.reason.level | some finding in duties} == {"advisory"}
		regions := _regions(duties)
		{region, "eu-central-1", "norwayeast", "francecentral", "dc-frankfurt"} - regions == set()
		{"us-east-1", "eu-west-2", "eu-central-2", "dc-london"} & regions == set()
	}
}

test_the_kingdom_may_send_to_where_it_relies_on_adequacy if {
	duties := rule.duties with input as _from("uksouth", [])
	fixtures.controls(duties) == {"UK-GDPR/Art.44"}
	regions := _regions(duties)
	{"uksouth", "eu-west-2", "dc-london", "eu-west-1"} - regions == set()
	{"us-east-1", "eu-central-2"} & regions == set()
}

test_a_decision_counts_when_it_is_relied_on if {
	decisions := [object.union(row, {"relied_on": row.id == "adequacy-eu-ch"}) | some row in data.data.adequacy.decisions]
	relied := object.union(data.data, {"adequacy": {"decisions": decisions}})
	duties := rule.duties with input as _from("eu-west-1", []) with data.data as relied
	{"eu-central-2", "eu-west-1"} - _regions(duties) == set()
	{"uksouth", "us-east-1"} & _regions(duties) == set()
	british := rule.duties with input as _from("uksouth", []) with data.data as relied
	{"eu-central-2", "eu-west-1"} & _regions(british) == set()
}

test_payment_systems_of_india_stay_there if {
	found := rule.findings with input as _from("ap-south-1", ["upi-switch", "log-shipper"])
	object.keys(found) == {0}
	fixtures.controls(found[0]) == {"RBI/Payment-Data-Storage-2018"}
	_regions(found[0]) == {region | some region, place in data.data.regions.regions; place == "india"}
	rule.duties == set() with input as _from("ap-south-1", [])
}

test_leaves_near_misses_alone if {
	every region in ["eu-central-2", "xeu-west-1", "eu-west-1x", "EU-WEST-1"] {
		rule.duties == set() with input as _from(region, [])
	}
}

test_leaves_others_alone if {
	every region in ["us-east-1", "ap-southeast-1", "eastus", "moon", ""] {
		rule.duties == set() with input as _from(region, ["upi-switch"])
		rule.findings == {} with input as _from(region, ["upi-switch"])
	}
}

test_a_row_may_narrow_its_family if {
	narrowed := object.union(data.data, {"gdpr": {"residency": [object.union(
		data.data.gdpr.residency[0],
		{"applies_to": {"environments": ["test"]}},
	)]}})
	rule.duties == set() with input as _from("eu-west-1", []) with data.data as narrowed
}
