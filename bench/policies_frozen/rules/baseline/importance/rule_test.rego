package rules.baseline.importance_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.importance as rule

_scored(name, score) := object.union(fixtures.named(name), {"score": score})

test_names_underrated_processes if {
	every name, score in {"game-server-7": 900, "matchmaking-eu": 750, "chat-service-1": 500} {
		found := rule.findings[0] with input as fixtures.asked([_scored(name, score)])
		fixtures.controls(found) == {"BASELINE/importance"}
		{finding.reason.level | some finding in found} == {"advisory"}
	}
}

test_leaves_well_rated_processes_alone if {
	every name, score in {"game-server-7": 1000, "matchmaking-eu": 1000, "chat-service-1": 700} {
		rule.findings == {} with input as fixtures.asked([_scored(name, score)])
	}
}

test_leaves_near_misses_and_others_alone if {
	every name in ["game-server", "xgame-server-7", "chat-services", "log-shipper"] {
		rule.findings == {} with input as fixtures.asked([_scored(name, 250)])
	}
}
