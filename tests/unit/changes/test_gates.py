from gateway.changes import gates
from gateway.changes.gates import (
    GateLimits,
    Measurements,
    anywhere,
    gate_record,
    judged_failures,
    measure,
    unlisted_losses,
    urgent_failures,
)
from gateway.decisions.lanes import Step
from gateway.decisions.shadow import MAX_LOSSES, ShadowMeter
from tests.fakes.stewards import KEPT, lost

HERE = Step("production", "eu-west-1", 200)
LOSS = "card-vault@production/eu-west-1 PCI-DSS-4.0.1/10.2.1"
LIMITS = GateLimits(failure_permille=10, latency_ratio_permille=2000)


def seen(meter: ShadowMeter, step: Step = HERE, log_problem: str | None = None) -> Measurements:
    return measure(meter, step, (), log_problem, 7)


def meter_of(evaluated: int, failures: int = 0) -> ShadowMeter:
    place = ("production", "eu-west-1")
    return ShadowMeter(evaluated={place: evaluated}, failures={place: failures})


def test_a_loss_that_the_approval_lists_is_none() -> None:
    meter = ShadowMeter(losses={lost("card-vault"): KEPT})
    assert unlisted_losses(meter, ()) == (LOSS,)
    assert unlisted_losses(meter, [LOSS]) == ()
    assert unlisted_losses(meter, ["card-vault"]) == (LOSS,)


def test_a_meter_that_is_full_hides_no_loss() -> None:
    names = [f"card-{number}" for number in range(MAX_LOSSES)]
    meter = ShadowMeter(losses={lost(name): KEPT for name in names})
    listed = [LOSS.replace("card-vault", name) for name in names]
    [left] = unlisted_losses(meter, listed)
    assert left == "more than 1000 classes, which are too many to name"


def test_a_loss_and_a_broken_log_are_urgent() -> None:
    meter = meter_of(0)
    assert urgent_failures(seen(meter)) == []
    meter.losses[lost("card-vault")] = KEPT
    assert urgent_failures(seen(meter, log_problem="entry 7 is missing")) == [
        f"never-filter loss: the approval does not list {LOSS}",
        "audit trail: entry 7 is missing",
    ]


def test_many_losses_fit_into_an_entry() -> None:
    losses = {lost(f"card-{number:03}-{'x' * 300}"): KEPT for number in range(100)}
    [failure] = urgent_failures(seen(ShadowMeter(losses=losses)))
    assert len(failure) < 6_000
    assert failure.endswith("and 80 more")


def test_failures_are_judged_by_their_share() -> None:
    assert judged_failures(seen(meter_of(1000, 10)), LIMITS) == []
    assert judged_failures(seen(meter_of(1000, 11)), LIMITS) == [
        "failures: 11 of 1000 evaluations, 10 permille are allowed"
    ]
    assert judged_failures(seen(meter_of(0)), LIMITS) == []


def test_only_what_is_where_the_step_is_counts_for_it() -> None:
    meter = meter_of(100, 100)
    elsewhere = Step("dev", "*", 200)
    assert seen(meter, elsewhere).evaluated == 0
    assert seen(meter, anywhere(elsewhere)).evaluated == 100
    assert anywhere(elsewhere) == Step("*", "*", 200)


def test_latency_counts_once_enough_was_timed() -> None:
    meter = meter_of(100)
    for _ in range(gates.MIN_TIMED - 1):
        meter.time(0.010, 0.100)
    assert seen(meter).latency_ratio_permille == 1000
    meter.time(0.010, 0.100)
    assert judged_failures(seen(meter), LIMITS) == [
        "latency: 10000 permille of the active bundle's, 2000 are allowed"
    ]


def test_the_bundles_rules_are_asked_exactly_what_they_read() -> None:
    meter = meter_of(5, 1)
    meter.losses[lost("card-vault")] = KEPT
    assert seen(meter, log_problem="full").question() == {
        "environment": "production",
        "evaluated": 5,
        "failures": 1,
        "latency_ratio_permille": 1000,
        "log_healthy": False,
        "never_filter_loss": 1,
        "region": "eu-west-1",
    }


def test_the_record_says_how_long_and_whether_few_were_seen() -> None:
    record = gate_record(seen(meter_of(1)), is_thin=True)
    assert (record["seconds"], record["share_permille"], record["is_thin"]) == (7, 200, True)
