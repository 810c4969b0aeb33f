"""A lease holds for exactly one class, for its time, on clocks that agree."""

from typing import Any

import msgspec
import pytest

from collector.client.leases import LeaseStore
from gateway.clock import ManualClock, format_time
from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import Lease, Verdict

ACTIVATION = 3
DROP = ProcessClass(
    (("process.executable.name", "log-shipper"),),
    "drop",
    0,
    250,
    "balanced",
    Sender("production", "eu-west-1", "unlisted"),
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def leases(clock: ManualClock) -> LeaseStore:
    store = LeaseStore(clock)
    store.observe_activation(ACTIVATION)
    return store


def lease_for(clock: ManualClock, ttl_seconds: int = 300, **changes: Any) -> Lease:
    expires = format_time(clock.wall_us + ttl_seconds * 1_000_000)
    lease = Lease(DROP.key(), ACTIVATION, ttl_seconds, expires)
    return msgspec.structs.replace(lease, **changes)


def drop_verdict(lease: Lease | None, **changes: Any) -> Verdict:
    return msgspec.structs.replace(Verdict("drop", 0.0, "permitted", lease=lease), **changes)


def test_a_granted_lease_lives_for_its_time_from_the_sending(
    clock: ManualClock, leases: LeaseStore
) -> None:
    sent = leases.mark_sending()
    verdict = drop_verdict(lease_for(clock, 400))
    clock.advance(100)  # a slow answer eats into the lease
    assert leases.grant(DROP, verdict, sent)
    clock.advance(299.9)
    assert leases.live(DROP.key()) == verdict
    clock.advance(0.1)
    assert leases.live(DROP.key()) is None


@pytest.mark.parametrize(
    "verdict_changes",
    [
        {"effect": "fail_safe"},
        {"sample_rate": 0.5},
        {"sample_rate": 1.0},
        {"sample_rate": 1e300},
        {"action": "sample", "sample_rate": 0.0},
        {"obligations": ({"type": "notarise"},)},
        {"obligations": ({"type": ["retain_days"]},)},
        {"obligations": ({"at_least": 3},)},
        {"obligations": ({"type": "no_sampling"},)},
        {"lease": None},
    ],
)
def test_a_verdict_that_is_not_fully_understood_grants_nothing(
    clock: ManualClock, leases: LeaseStore, verdict_changes: dict[str, Any]
) -> None:
    verdict = msgspec.structs.replace(drop_verdict(lease_for(clock)), **verdict_changes)
    assert not leases.grant(DROP, verdict, leases.mark_sending())
    assert leases.live(DROP.key()) is None


@pytest.mark.parametrize(
    "lease_changes",
    [
        {"class_key": "0" * 64},
        {"activation": ACTIVATION + 1},
        {"activation": ACTIVATION - 1},
        {"ttl_seconds": 0},
        {"ttl_seconds": -5},
        {"max_uses": 3},
        {"expires": "tomorrow"},
        {"expires": "2001-01-01T00:00:00.000000Z"},
    ],
)
def test_a_lease_that_does_not_fit_grants_nothing(
    clock: ManualClock, leases: LeaseStore, lease_changes: dict[str, Any]
) -> None:
    verdict = drop_verdict(lease_for(clock, **lease_changes))
    assert not leases.grant(DROP, verdict, leases.mark_sending())


def test_a_verdict_weaker_than_the_proposal_grants_nothing(
    clock: ManualClock, leases: LeaseStore
) -> None:
    asked = msgspec.structs.replace(DROP, action="sample", sample_permille=100)
    lease = lease_for(clock, class_key=asked.key())
    assert not leases.grant(asked, drop_verdict(lease), leases.mark_sending())


def test_a_refused_grant_ends_the_lease_that_it_was_to_renew(
    clock: ManualClock, leases: LeaseStore
) -> None:
    assert leases.grant(DROP, drop_verdict(lease_for(clock)), leases.mark_sending())
    leases.grant(DROP, drop_verdict(None, effect="fail_safe"), leases.mark_sending())
    assert leases.live(DROP.key()) is None


def test_expires_bounds_the_ttl(clock: ManualClock, leases: LeaseStore) -> None:
    lease = lease_for(clock, expires=format_time(clock.wall_us + 10_000_000))
    assert leases.grant(DROP, drop_verdict(lease), leases.mark_sending())
    clock.advance(10)
    assert leases.live(DROP.key()) is None


def test_no_lease_outlasts_a_day(clock: ManualClock, leases: LeaseStore) -> None:
    assert leases.grant(DROP, drop_verdict(lease_for(clock, 10**6)), leases.mark_sending())
    clock.advance(86_399)
    assert leases.live(DROP.key()) is not None
    clock.advance(1)
    assert leases.live(DROP.key()) is None


@pytest.mark.parametrize("step_seconds", [-3600, -3, 3, 3600])
def test_a_stepped_wall_clock_ends_a_lease_for_good(
    clock: ManualClock, leases: LeaseStore, step_seconds: int
) -> None:
    """Back: a reset clock. Forward: a machine resumed from a snapshot, whose boot clock slept."""
    assert leases.grant(DROP, drop_verdict(lease_for(clock, 80_000)), leases.mark_sending())
    clock.wall_us += step_seconds * 1_000_000
    assert leases.live(DROP.key()) is None
    clock.wall_us -= step_seconds * 1_000_000
    assert leases.live(DROP.key()) is None


def test_a_boot_clock_that_starts_anew_ends_a_lease(clock: ManualClock, leases: LeaseStore) -> None:
    assert leases.grant(DROP, drop_verdict(lease_for(clock)), leases.mark_sending())
    clock.boot_ns = 5
    assert leases.live(DROP.key()) is None


def test_another_activation_voids_and_coming_back_revives_nothing(
    clock: ManualClock, leases: LeaseStore
) -> None:
    assert leases.grant(DROP, drop_verdict(lease_for(clock)), leases.mark_sending())
    leases.observe_activation(ACTIVATION + 1)
    assert leases.live(DROP.key()) is None
    leases.observe_activation(ACTIVATION)
    assert leases.live(DROP.key()) is None
    assert not leases.grant(DROP, drop_verdict(lease_for(clock)), leases.mark_sending())


def test_renewal_begins_when_a_third_is_left(clock: ManualClock, leases: LeaseStore) -> None:
    assert leases.is_ending(DROP.key())
    assert leases.grant(DROP, drop_verdict(lease_for(clock, 300)), leases.mark_sending())
    clock.advance(199)
    assert not leases.is_ending(DROP.key())
    clock.advance(1)
    assert leases.is_ending(DROP.key())
    assert leases.live(DROP.key()) is not None
