package rules.families.services_test

import data.lib.fixtures_test as fixtures
import data.rules.families.services as rule

# A service of each family that is bound to a jurisdiction, and a region there.
_concerned := {
	"apra_cps234": {"region": "ap-southeast-2", "name": "npp-router"},
	"bait": {"region": "europe-west3", "name": "berechtigung-dienst"},
	"cmia_ca": {"region": "us-west-1", "name": "ehr-portal"},
	"dora": {"region": "westeurope", "name": "sepa-engine"},
	"eba": {"region": "francecentral", "name": "problem-manager-1"},
	"fca_sysc": {"region": "uksouth", "name": "mifid-store"},
	"ffiec": {"region": "us-east-1", "name": "fedwire-link"},
	"fl_medical": {"region": "dc-miami", "name": "patient-portal"},
	"gdpr": {"region": "eu-west-1", "name": "dsar-desk"},
	"glba": {"region": "eastus", "name": "account-holder-api"},
	"hkma": {"region": "asia-east2", "name": "fps-router"},
	"il_medical": {"region": "northcentralus", "name": "genomics-lab"},
	"ma_201cmr17": {"region": "dc-boston", "name": "wisp-watch"},
	"mas_trm": {"region": "ap-southeast-1", "name": "swift-gateway"},
	"ny_medical": {"region": "dc-new-york", "name": "hospital-cyber-1"},
	"nydfs": {"region": "us-east-1", "name": "wire-transfer-1"},
	"osfi_b13": {"region": "ca-central-1", "name": "interac-switch"},
	"rbi": {"region": "centralindia", "name": "upi-switch"},
	"tx_hb300": {"region": "southcentralus", "name": "clinical-notes"},
	"uk_gdpr": {"region": "eu-west-2", "name": "ico-breach-desk"},
	"wa_mhmda": {"region": "westus2", "name": "wellness-app"},
}

_found(region, name) := object.get(findings, 0, set()) if {
	subject := object.union(fixtures.sender, {"region": region})
	findings := rule.findings with input as fixtures.asked_from(subject, [fixtures.named(name)])
}

_own(findings, family) := {finding |
	some finding in findings
	startswith(finding.reason.message, sprintf("%s: ", [data.data[family].family.title]))
}

test_protects_where_the_law_reaches if {
	every family, asked in _concerned {
		found := _own(_found(asked.region, asked.name), family)
		count(found) > 0
		every finding in found {
			finding.reason.level == "hard"
			finding.reason.rule == "rules.families.services"
			finding.reason.remediation == data.data[family].family.remediation
			{"type": "no_sampling"} in finding.obligations
		}
	}
}

test_leaves_services_elsewhere_alone if {
	every family, asked in _concerned {
		_own(_found("me-central2", asked.name), family) == set()
		_own(_found("brazilsouth", asked.name), family) == set()
	}
}

test_protects_in_regions_that_are_not_listed if {
	every family, asked in _concerned {
		count(_own(_found("moon", asked.name), family)) > 0
	}
}

test_protects_whatever_the_case if {
	every family, asked in _concerned {
		count(_own(_found(asked.region, upper(asked.name)), family)) > 0
	}
}

test_leaves_near_misses_alone if {
	every _, asked in _concerned {
		_found(asked.region, concat("", ["x", asked.name])) == set()
	}
}

test_leaves_others_alone if {
	every name in ["log-shipper", "backup-service", "update-agent", "game-server-7", "trading-engine", ""] {
		_found("us-east-1", name) == set()
		_found("eu-west-1", name) == set()
	}
}

test_a_soft_family_asks_for_a_share if {
	soft := object.union(data.data, {"nydfs": {
		"family": {"level": "soft"},
		"services": [object.union(data.data.nydfs.services[0], {"sample_permille": 400})],
	}})
	findings := rule.findings with input as fixtures.asked([fixtures.named("wire-transfer-1")]) with data.data as soft
	{[finding.reason.level, finding.sample_permille] | some finding in findings[0]} == {["soft", 400]}
}
