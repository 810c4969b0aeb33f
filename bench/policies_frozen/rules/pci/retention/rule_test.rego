package rules.pci.retention_test

import data.lib.fixtures_test as fixtures
import data.rules.pci.retention as rule

test_obliges_to_keep_history if {
	found := rule.findings[0] with input as fixtures.asked([fixtures.named("payment-gateway-eu")])
	{duty | some finding in found; some duty in finding.obligations} == {{"type": "retain_days", "at_least": 365, "at_hand": 90}}
}

test_protects_nothing_itself if {
	found := rule.findings[0] with input as fixtures.asked([fixtures.named("payment-gateway-eu")])
	every finding in found {
		finding.reason.level == "advisory"
	}
}

test_leaves_near_misses_alone if {
	rule.findings == {} with input as fixtures.asked([fixtures.named("xpayment-gateway-eu")])
}

test_leaves_others_alone if {
	rule.findings == {} with input as fixtures.asked([fixtures.named("log-shipper")])
}
