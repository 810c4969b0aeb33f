package rules.sox.audit_services_test

import data.lib.fixtures_test as fixtures
import data.rules.sox.audit_services as rule

_concerned := {
	"general-ledger-core": "sox-general-ledger",
	"ledger-api": "sox-general-ledger",
	"financial-close": "sox-financial-close",
	"trade-settlement-2": "sox-settlement",
	"sox-audit-trail": "sox-audit-trail",
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
	every name in ["pledger-api", "ledger", "trade-settle"] {
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
	finding.reason.rule == "rules.sox.audit_services"
	finding.reason.remediation != ""
}
