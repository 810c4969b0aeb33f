package rules.families.never_filter_test

import data.lib.fixtures_test as fixtures
import data.rules.families.never_filter as rule

_concerned := {
	"payment-gateway-eu": "pci-payment-gateway",
	"payment-gateway": "pci-payment-gateway-bare",
	"payment-processor-2": "pci-payment-processor",
	"payment-authoriser": "pci-payment-processor",
	"card-vault": "pci-card-vault",
	"pos-terminal-9": "pci-pos",
	"hsm-proxy": "pci-hsm",
	"auditd": "pci-auditd",
	"bastion-1": "pci-admin-actions",
	"audit-trail-api": "pci-audit-trail-access",
	"login-audit": "pci-login-audit",
	"credential-broker": "pci-credential-changes",
	"file-integrity-agent": "pci-object-audit",
	"card-audit-shipper": "pci-audit-forwarder",
	"clamd": "pci-anti-malware",
	"chronyd": "pci-time-sync",
	"suricata": "pci-intrusion",
	"nessusd": "pci-internal-scan",
	"osqueryd": "pci-change-detection",
	"rsyslogd": "pci-central-log",
	"vault": "pci-service-secrets",
	"firewalld": "pci-firewall-manager",
	"patient-data-service": "hipaa-patient-data",
	"medical-records-api-v2": "hipaa-medical-records",
	"prescription-processor": "hipaa-prescriptions",
	"fhir-bridge": "hipaa-exchange",
	"phi-kms": "hipaa-encryption",
	"breach-notifier": "hipaa-breach-individuals",
	"customer-data-processor-1": "gdpr-customer-data-processor",
	"gdpr-audit-service": "gdpr-audit-service",
	"data-retention-manager": "gdpr-data-retention-manager",
	"consent-service": "gdpr-consent",
	"erasure-worker": "gdpr-erasure",
	"general-ledger-core": "sox-general-ledger",
	"ledger-api": "sox-general-ledger",
	"financial-close": "sox-financial-close",
	"trade-settlement-2": "sox-settlement",
	"sox-audit-trail": "sox-audit-trail",
	"edgar-filer": "sox-disclosure",
	"plc-controller-3": "safety-plc-controller",
	"safety-monitor": "safety-monitor",
	"edge-ml-processor": "safety-edge-ml",
}

_near_misses := [
	"xpayment-gateway-eu", "payment-gatewayx", "my-payment-gateway", "scorecard-vault", "postgres",
	"kauditd", "xauditd", "audit-trails", "discard-audit-x", "rsyslogd2", "vault-x", "xclamd",
	"inpatient-data-service", "patient-data", "prescription-process", "xfhir-bridge",
	"xcustomer-data-processor", "customer-data", "gdpr-audit",
	"pledger-api", "ledger", "trade-settle",
	"xplc-controller", "safety-mon", "edge-ml-trainer",
]

# {name: {id, …}} of one question about all these names.
_ids(subject, names) := {names[position]: fixtures.ids(found) | some position, found in findings} if {
	findings := rule.findings with input as fixtures.asked_from(subject, [fixtures.named(name) | some name in names])
}

_names := [name | some name, _ in _concerned]

_expected := {name: {id} | some name, id in _concerned}

test_protects if {
	_ids(fixtures.sender, _names) == _expected
	every name in ["payment-gateway-eu", "clamd"] {
		_ids(fixtures.sender, [name]) == {name: _expected[name]}
	}
}

test_protects_in_full if {
	findings := rule.findings with input as fixtures.asked([fixtures.named(name) | some name in _names])
	{[finding.reason.level, finding.sample_permille] | some found in findings; some finding in found} == {["hard", 1000]}
}

test_protects_wherever_the_sender_is if {
	every region in ["eu-west-1", "me-central2", "moon", ""] {
		_ids(object.union(fixtures.sender, {"region": region}), _names) == _expected
	}
}

test_protects_whatever_the_case if {
	_ids(fixtures.sender, [upper(name) | some name in _names]) == {upper(name): ids | some name, ids in _expected}
}

test_leaves_near_misses_alone if _ids(fixtures.sender, _near_misses) == {}

test_leaves_others_alone if {
	_ids(fixtures.sender, ["log-shipper", "backup-service", "update-agent", "game-server-7", ""]) == {}
}

test_names_the_rule_and_the_family if {
	every name, title in {"auditd": "PCI DSS 4.0.1", "ledger-api": "SOX", "plc-controller": "Safety of plants and machines"} {
		some finding in rule.findings[0] with input as fixtures.asked([fixtures.named(name)])
		finding.reason.rule == "rules.families.never_filter"
		startswith(finding.reason.message, sprintf("%s: ", [title]))
		finding.reason.remediation != ""
	}
}
