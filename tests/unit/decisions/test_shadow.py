from gateway.decisions.shadow import MAX_LOSSES, Comparison, ShadowMeter
from gateway.decisions.verdict import Settled, action_of
from gateway.wire.classes import ProcessClass, Sender, project
from gateway.wire.verdicts import Level, Reason
from tests.fakes.decisions import DECLARATION, SENDER

DEV = Sender("dev", "eu-west-1", "edge")


def class_of(name: str = "a", sender: Sender = SENDER) -> ProcessClass:
    return project(DECLARATION, sender, {"service.name": name}, "drop", None, 0.1)


def settled(share: int, level: Level | None = None) -> Settled:
    reasons = () if level is None else (Reason("PCI/1", "rules.pci", level, "cards"),)
    return Settled(action_of(share), share, "overridden", reasons, (), 300)


def compare(active: Settled, candidate: Settled | None, name: str = "a") -> Comparison:
    return Comparison(class_of(name), active, candidate)


def test_a_loss_is_less_than_a_hard_reason_gives_now() -> None:
    assert compare(settled(1000, "hard"), settled(0)).is_loss
    assert compare(settled(1000, "hard"), settled(999)).is_loss
    assert not compare(settled(1000, "hard"), settled(1000)).is_loss
    assert not compare(settled(1000, "soft"), settled(0)).is_loss
    assert not compare(settled(0), settled(1000, "hard")).is_loss
    assert not compare(settled(1000, "hard"), None).is_loss  # a failure keeps


def test_what_becomes_more_and_less_is_counted() -> None:
    meter = ShadowMeter()
    meter.observe(
        [
            compare(settled(0), settled(1000)),
            compare(settled(0), settled(500)),
            compare(settled(1000, "soft"), settled(500)),
            compare(settled(500), settled(500)),
            compare(settled(500), None),
        ]
    )
    assert (meter.more, meter.less) == (2, 1)
    assert meter.count("*", "*") == (5, 1)
    assert meter.losses == {}


def test_losses_are_kept_by_class_up_to_a_bound() -> None:
    meter = ShadowMeter()
    lost = [compare(settled(1000, "hard"), settled(0), str(n)) for n in range(MAX_LOSSES + 5)]
    meter.observe(lost + lost)
    assert len(meter.losses) == MAX_LOSSES
    assert meter.losses[class_of("0")] == settled(1000, "hard")
    assert meter.less == 2 * (MAX_LOSSES + 5)


def test_counts_are_those_of_a_place() -> None:
    meter = ShadowMeter()
    meter.observe([compare(settled(0), settled(0))])
    meter.observe([Comparison(class_of("b", DEV), settled(0), None)])
    assert meter.count("*", "*") == (2, 1)
    assert meter.count("dev", "*") == (1, 1)
    assert meter.count("production", "*") == (1, 0)
    assert meter.count("*", "eu-west-1") == (2, 1)
    assert meter.count("production", "us-east-1") == (0, 0)


def test_latency_is_a_ratio_of_medians() -> None:
    meter = ShadowMeter()
    assert meter.latency_ratio_permille() == 1000
    for active, candidate in ((0.010, 0.015), (0.010, 0.015), (0.010, 9.0)):
        meter.time(active, candidate)
    assert meter.latency_ratio_permille() == 1500


def test_times_too_short_to_tell_are_no_ratio() -> None:
    meter = ShadowMeter()
    meter.time(1e-9, 5e-5)
    assert meter.latency_ratio_permille() == 500
