package rules.baseline.trading_hours_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.trading_hours as rule

_during(windows, name) := object.union(
	fixtures.asked([fixtures.named(name)]),
	{"context": {"time": {"windows": windows}}},
)

test_protects_trading_systems_in_trading_hours if {
	every name in ["trading-engine", "market-data-feed", "order-router-2"] {
		found := rule.findings[0] with input as _during(["trading-hours"], name)
		fixtures.controls(found) == {"BASELINE/trading-hours"}
		{finding.reason.level | some finding in found} == {"soft"}
		{finding.sample_permille | some finding in found} & {1000} == set()
	}
}

test_protects_while_windows_are_unknown if {
	rule.findings[0] with input as _during("trading-hours", "trading-engine")
	rule.findings[0] with input as _during(null, "trading-engine")
	rule.findings[0] with input as object.remove(_during([], "trading-engine"), ["context"])
}

test_leaves_trading_systems_alone_after_hours if {
	every windows in [[], ["weekend"], ["trading-hours-eu"]] {
		rule.findings == {} with input as _during(windows, "trading-engine")
	}
}

test_leaves_near_misses_and_others_alone if {
	every name in ["xtrading-engine", "daytrading-x", "market-data", "log-shipper"] {
		rule.findings == {} with input as _during(["trading-hours"], name)
	}
}
