package validation.validation_test

_good := {
	"never_filter_loss": 0,
	"evaluated": 1000,
	"failures": 10,
	"latency_ratio_permille": 1500,
	"log_healthy": true,
	"environment": "production",
	"region": "eu-west-1",
}

_failures(change) := failures if {
	failures := data.validation.failures with input as object.union(_good, change)
}

_named(failures, name) if {
	count(failures) == 1
	startswith(failures[0], concat("", [name, ": "]))
}

test_passes_at_the_limits if _failures({}) == []

test_names_what_is_exceeded if {
	every change in [
		{"never_filter_loss": 1},
		{"failures": 11},
		{"latency_ratio_permille": 1501},
		{"log_healthy": false},
	] {
		some name, _ in change
		_named(_failures(change), name)
	}
}

test_a_step_where_nobody_asks_goes_on if _failures({"evaluated": 0, "failures": 0}) == []

test_too_few_are_named_where_some_are_wanted if {
	wanted := object.union(data.data.validation.limits, {"evaluated_at_least": 1})
	failures := _failures({"evaluated": 0, "failures": 0}) with data.data.validation.limits as wanted
	_named(failures, "evaluated")
}

test_the_sentences_give_what_was_measured_and_what_is_allowed if {
	_failures({"never_filter_loss": 3}) == ["never_filter_loss: 3 protected processes would be less than fully kept, 0 are allowed"]
	_failures({"failures": 11}) == ["failures: 11 of 1000 decisions failed, 10 permille are allowed"]
	_failures({"latency_ratio_permille": 1501}) == ["latency_ratio_permille: 1501, where 1500 is allowed"]
	wanted := object.union(data.data.validation.limits, {"evaluated_at_least": 7})
	failures := _failures({"evaluated": 6, "failures": 0}) with data.data.validation.limits as wanted
	failures == ["evaluated: 6 decisions are too few to judge by, 7 are wanted"]
}

test_without_limits_nothing_is_allowed if {
	none := {"never_filter_loss": 0, "failures": 0, "latency_ratio_permille": 0, "evaluated": 1}
	every name in ["never_filter_loss", "failures", "latency_ratio_permille"] {
		failures := _failures(object.union(none, {name: 1})) with data.data.validation as {}
		_named(failures, name)
	}
	failures := _failures(object.union(none, {"evaluated": 0})) with data.data.validation as {}
	_named(failures, "evaluated")
	_failures(none) == [] with data.data.validation as {}
}

test_what_is_missing_is_a_failure if {
	every name in object.keys(_good) {
		failures := data.validation.failures with input as object.remove(_good, [name])
		_named(failures, name)
	}
	count(data.validation.failures) == count(_good) with input as {}
}

test_what_is_odd_is_a_failure if {
	every name in ["never_filter_loss", "evaluated", "failures", "latency_ratio_permille"] {
		every value in [null, "0", -1, 0.5, true, [], {}] {
			_named(_failures({name: value}), name)
		}
	}
	every value in [null, "true", 1, [], {}] {
		_named(_failures({"log_healthy": value}), "log_healthy")
	}
	every name in ["environment", "region"] {
		every value in [null, "", 7, []] {
			_named(_failures({name: value}), name)
		}
	}
}

test_failures_are_told_in_order_of_names if {
	failures := _failures({"never_filter_loss": 1, "failures": 11, "region": ""})
	[split(failure, ":")[0] | some failure in failures] == ["failures", "never_filter_loss", "region"]
}
