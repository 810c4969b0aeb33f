package rules.pci.audit_events_test

import data.lib.fixtures_test as fixtures
import data.rules.pci.audit_events as rule

_concerned := {
	"auditd": "pci-auditd",
	"bastion-1": "pci-admin-actions",
	"audit-trail-api": "pci-audit-trail-access",
	"login-audit": "pci-login-audit",
	"credential-broker": "pci-credential-changes",
	"file-integrity-agent": "pci-object-audit",
	"card-audit-shipper": "pci-audit-forwarder",
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
	every name in ["kauditd", "xauditd", "audit-trails", "discard-audit-x"] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_leaves_others_alone if {
	every name in ["log-shipper", "backup-service", "update-agent", "game-server-7", "", "payment-gateway-eu"] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_names_the_rule_of_its_path if {
	some name, _ in _concerned
	some finding in rule.findings[0] with input as fixtures.asked([fixtures.named(name)])
	finding.reason.rule == "rules.pci.audit_events"
	finding.reason.remediation != ""
}
