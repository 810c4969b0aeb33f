package rules.safety.control_loops_test

import data.lib.fixtures_test as fixtures
import data.rules.safety.control_loops as rule

test_protects if {
	every name, id in {"plc-controller-3": "safety-plc-controller", "safety-monitor": "safety-monitor", "edge-ml-processor": "safety-edge-ml"} {
		found := rule.findings[0] with input as fixtures.asked([fixtures.named(name)])
		fixtures.ids(found) == {id}
		{finding.reason.level | some finding in found} == {"hard"}
	}
}

test_protects_whatever_the_case if {
	every name, _ in {"plc-controller-3": "safety-plc-controller", "safety-monitor": "safety-monitor", "edge-ml-processor": "safety-edge-ml"} {
		rule.findings[0] with input as fixtures.asked([fixtures.named(upper(name))])
	}
}

test_leaves_near_misses_alone if {
	every name in ["xplc-controller", "safety-mon", "edge-ml-trainer"] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_leaves_others_alone if {
	every name in ["log-shipper", "backup-service", "update-agent", "game-server-7", ""] {
		rule.findings == {} with input as fixtures.asked([fixtures.named(name)])
	}
}

test_names_the_rule_of_its_path if {
	some name, _ in {"plc-controller-3": "safety-plc-controller", "safety-monitor": "safety-monitor", "edge-ml-processor": "safety-edge-ml"}
	some finding in rule.findings[0] with input as fixtures.asked([fixtures.named(name)])
	finding.reason.rule == "rules.safety.control_loops"
	finding.reason.remediation != ""
}
