package rules.baseline.unknown_sender_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.unknown_sender as rule

test_keeps_for_unknown_senders if {
	every subject in [
		{},
		{"environment": "production", "region": "us-east-1"},
		{"environment": "production", "region": "", "tier": "unlisted"},
		{"environment": 7, "region": "us-east-1", "tier": "unlisted"},
	] {
		duties := rule.duties with input as fixtures.asked_from(subject, [])
		fixtures.controls(duties) == {"BASELINE/unknown-sender"}
	}
	fixtures.controls(rule.duties) == {"BASELINE/unknown-sender"} with input as {"proposals": []}
}

test_leaves_known_senders_alone if rule.duties == set() with input as fixtures.asked([])
