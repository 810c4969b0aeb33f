package rules.baseline.critical_score_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.critical_score as rule

_scored(score) := object.union(fixtures.named("log-shipper"), {"score": score})

test_keeps_critical_scores if {
	every score in [900, 901, 1000] {
		found := rule.findings[0] with input as fixtures.asked([_scored(score)])
		fixtures.controls(found) == {"BASELINE/critical-score"}
	}
}

test_leaves_near_misses_alone if rule.findings == {} with input as fixtures.asked([_scored(899)])

test_leaves_others_alone if {
	every score in [0, 250, 750] {
		rule.findings == {} with input as fixtures.asked([_scored(score)])
	}
}
