# METADATA
# title: Validation
# description: |
#   Whether a step of a rollout may go on. Asked over what was measured of it: {"never_filter_loss",
#   "evaluated", "failures", "latency_ratio_permille", "log_healthy", "environment", "region"}.
package validation

# METADATA
# title: Failures
# description: |
#   What does not hold, as sorted sentences; empty when the step may go on. A measurement that is
#   missing or odd is a failure.
# entrypoint: true
failures := sort(_odd | _exceeded)

_counts := ["never_filter_loss", "evaluated", "failures", "latency_ratio_permille"]

_odd := ({sprintf("%s: not measured as a whole number of 0 or more", [name]) |
	some name in _counts
	not _whole(object.get(input, name, null))
} | {sprintf("%s: not named", [name]) |
	some name in ["environment", "region"]
	not _text(object.get(input, name, null))
}) | {"log_healthy: the audit trail did not verify, or nobody looked" | object.get(input, "log_healthy", null) != true}

_exceeded contains sprintf("never_filter_loss: %d protected processes would be less than fully kept, %d are allowed", [
	input.never_filter_loss,
	_limits.never_filter_loss,
]) if {
	_whole(input.never_filter_loss)
	input.never_filter_loss > _limits.never_filter_loss
}

_exceeded contains sprintf("evaluated: %d decisions are too few to judge by, %d are wanted", [
	input.evaluated,
	_limits.evaluated_at_least,
]) if {
	_whole(input.evaluated)
	input.evaluated < _limits.evaluated_at_least
}

_exceeded contains sprintf("failures: %d of %d decisions failed, %d permille are allowed", [
	input.failures,
	input.evaluated,
	_limits.failure_permille,
]) if {
	_whole(input.failures)
	_whole(input.evaluated)
	input.failures * 1000 > input.evaluated * _limits.failure_permille
}

_exceeded contains sprintf("latency_ratio_permille: %d, where %d is allowed", [
	input.latency_ratio_permille,
	_limits.latency_ratio_permille,
]) if {
	_whole(input.latency_ratio_permille)
	input.latency_ratio_permille > _limits.latency_ratio_permille
}

# Where the data lacks a limit, nothing is allowed.
_limits := object.union(
	{"never_filter_loss": 0, "failure_permille": 0, "latency_ratio_permille": 0, "evaluated_at_least": 1},
	_given,
)

default _given := {}

_given := data.data.validation.limits

_whole(value) if {
	is_number(value)
	value >= 0
	floor(value) == value
}

_text(value) if {
	is_string(value)
	value != ""
}
