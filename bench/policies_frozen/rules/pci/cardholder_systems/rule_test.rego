package rules.pci.cardholder_systems_test

import data.lib.fixtures_test as fixtures
import data.rules.pci.cardholder_systems as rule

_concerned := {
	"payment-gateway-eu": "pci-payment-gateway",
	"payment-gateway": "pci-payment-gateway-bare",
	"payment-processor-2": "pci-payment-processor",
	"payment-authoriser": "pci-payment-processor",
	"card-vault": "pci-card-vault",
	"pos-terminal-9": "pci-pos",
	"hsm-proxy": "pci-hsm",
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
	every name in ["xpayment-gateway-eu", "payment-gatewayx", "my-payment-gateway", "scorecard-vault", "postgres"] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_leaves_others_alone if {
	every name in ["log-shipper", "backup-service", "update-agent", "game-server-7", "", "auditd"] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_names_the_rule_of_its_path if {
	some name, _ in _concerned
	some finding in rule.findings[0] with input as fixtures.asked([fixtures.named(name)])
	finding.reason.rule == "rules.pci.cardholder_systems"
	finding.reason.remediation != ""
}
