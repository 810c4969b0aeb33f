package lib.scope_test

import data.lib.fixtures_test as fixtures
import data.lib.scope

_from(change) := fixtures.asked_from(object.union(fixtures.sender, change), [])

test_regions_of_every_cloud_and_sites_have_jurisdictions if {
	every region, jurisdiction in {
		"us-east-1": "us",
		"ap-southeast-1": "sg",
		"eastus": "us",
		"westeurope": "eu",
		"europe-west1": "eu",
		"norwayeast": "eea",
		"eu-west-2": "uk",
		"eu-central-2": "ch",
		"dc-boston": "us-ma",
	} {
		jurisdiction in scope.jurisdictions with input as _from({"region": region})
		scope.listed with input as _from({"region": region})
	}
}

test_london_zurich_and_oslo_are_not_in_the_union if {
	every region in ["eu-west-2", "eu-central-2", "norwayeast"] {
		not "eu" in scope.jurisdictions with input as _from({"region": region})
	}
}

test_other_regions_are_not_listed if {
	every region in ["moon", "", "EU-WEST-1", "eu-west-1x", "xeu-west-1", 7] {
		not scope.listed with input as _from({"region": region})
	}
	not scope.listed with input as {}
}

test_a_place_without_jurisdictions_is_not_listed if {
	lost := {"regions": {"regions": {"us-east-1": "atlantis"}, "places": {}, "sites": []}}
	not scope.listed with input as _from({}) with data.data as lost
	not scope.listed with input as _from({}) with data.data as {}
}

test_a_condition_holds_when_each_of_its_parts_does if {
	every condition in [
		{},
		{"jurisdictions": []},
		{"jurisdictions": ["in", "us"]},
		{"regions": ["us-east-1"]},
		{"environments": ["test", "production"]},
		{"jurisdictions": ["us"], "regions": ["us-east-1"], "environments": ["production"]},
	] {
		scope.applies(condition) with input as _from({})
	}
	every condition in [
		{"jurisdictions": ["eu"]},
		{"regions": []},
		{"regions": ["us-east-2"]},
		{"environments": ["test"]},
		{"jurisdictions": ["us"], "environments": ["test"]},
		{"jurisdictions": ["eu"], "environments": ["production"]},
	] {
		not scope.applies(condition) with input as _from({})
	}
}

test_a_region_that_is_not_listed_is_in_every_jurisdiction if {
	scope.applies({"jurisdictions": ["eu"]}) with input as _from({"region": "moon"})
	not scope.applies({"regions": ["eu-west-1"]}) with input as _from({"region": "moon"})
	scope.idle == set() with input as _from({"region": "moon"})
	"mas_trm" in scope.families with input as _from({"region": "moon"})
}

_family(condition) := {"family": {"title": "T", "applies_to": condition}}

_families := {
	"here": _family({"jurisdictions": ["us"]}),
	"there": _family({"jurisdictions": ["eu"]}),
	"region": _family({"regions": ["us-east-1"]}),
	"other_region": _family({"regions": ["us-east-2"]}),
	"environment": _family({"environments": ["production"]}),
	"other_environment": _family({"environments": ["test"]}),
	"everywhere": _family({}),
	"unbound": {"family": {"title": "T"}},
	"table": {"services": []},
	"regions": data.data.regions,
}

test_families_reach_or_are_idle if {
	families := scope.families with input as _from({}) with data.data as _families
	families == {"here", "region", "environment", "everywhere", "unbound"}
	idle := scope.idle with input as _from({}) with data.data as _families
	idle == {"there", "other_region", "other_environment"}
}

test_families_agree_with_their_conditions if {
	every subject in [{}, {"region": "eu-west-1"}, {"region": "moon"}, {"environment": "test"}] {
		families := scope.families with input as _from(subject) with data.data as _families
		families == {name |
			some name, table in _families
			scope.applies(object.get(table.family, "applies_to", {})) with input as _from(subject)
		}
	}
}
