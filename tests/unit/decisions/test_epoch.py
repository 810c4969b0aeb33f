import pytest

from gateway.clock import parse_time
from gateway.decisions import epoch as epochs
from gateway.decisions.epoch import begin_epoch
from gateway.decisions.leases import LeasedVerdict
from gateway.decisions.verdict import fail_safe
from gateway.decisions.windows import parse_windows
from tests.fakes.decisions import NOW_US, SENDER, make_policy

DAY_US = 86_400_000_000
VERDICT = LeasedVerdict(fail_safe("x", "x"), "k", 1, 0)


def test_an_epoch_holds_until_midnight_and_only_for_its_policy() -> None:
    policy = make_policy()
    epoch = begin_epoch(policy, NOW_US)
    midnight_us = parse_time("2026-01-03T00:00:00.000000Z")
    assert epoch.covers(policy, NOW_US)
    assert epoch.covers(policy, midnight_us - 1)
    assert not epoch.covers(policy, midnight_us)
    assert not epoch.covers(policy, NOW_US - 1)  # the clock stepped back
    assert not epoch.covers(make_policy(), NOW_US)  # an equal policy is another activation


def test_an_epoch_ends_with_its_windows() -> None:
    row = {"name": "w", "zone": "UTC", "days": ["fri"], "from": "03:05", "to": "04:00"}
    policy = make_policy(schedule=parse_windows([row]))
    epoch = begin_epoch(policy, NOW_US)
    assert epoch.windows == ()
    assert epoch.ends_us == epoch.lease_ends_us == parse_time("2026-01-02T03:05:00.000000Z")
    inside = begin_epoch(policy, epoch.ends_us)
    assert inside.windows == ("w",)
    assert inside.ends_us == parse_time("2026-01-02T04:00:00.000000Z")


def test_without_windows_a_lease_may_run_its_longest_time() -> None:
    epoch = begin_epoch(make_policy(), NOW_US)
    assert epoch.lease_ends_us >= epoch.ends_us + DAY_US


def test_a_month_names_the_epoch() -> None:
    last_us = parse_time("2026-01-31T23:59:59.999999Z")
    epoch = begin_epoch(make_policy(), last_us)
    assert epoch.month == "2026-01"
    assert epoch.ends_us == last_us + 1
    assert begin_epoch(make_policy(), epoch.ends_us).month == "2026-02"


def test_tables_begin_anew_past_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "MAX_CLASSES", 2)
    epoch = begin_epoch(make_policy(), NOW_US)
    for key in "abc":
        epoch.remember(SENDER, "active", key, VERDICT)
    assert epoch.table(SENDER, "active") == {"c": VERDICT}


def test_lanes_do_not_share_verdicts() -> None:
    epoch = begin_epoch(make_policy(), NOW_US)
    epoch.remember(SENDER, "canary", "a", VERDICT)
    assert epoch.table(SENDER, "canary") == {"a": VERDICT}
    assert epoch.table(SENDER, "active") == {}
