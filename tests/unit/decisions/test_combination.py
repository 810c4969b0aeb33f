from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decisions.combination import combine, merge_obligations
from gateway.decisions.verdict import Settled, action_of
from gateway.wire.classes import ProcessClass, project
from gateway.wire.verdicts import Effect, Reason
from tests.fakes.decisions import DECLARATION, SENDER

HARD = Reason("PCI-DSS-4.0.1/10.2.1", "rules.pci", "hard", "cards")
SOFT = Reason("SOX/404", "rules.sox", "soft", "reports")


def class_of(action: Any = "drop", rate: float | None = None) -> ProcessClass:
    return project(DECLARATION, SENDER, {"service.name": "a"}, action, rate, 0.1)


def settled(
    share: int, *reasons: Reason, obligations: tuple[Any, ...] = (), ttl_seconds: int = 300
) -> Settled:
    effect: Effect = "overridden" if share else "permitted"
    return Settled(action_of(share), share, effect, reasons, obligations, ttl_seconds)


@pytest.mark.parametrize(
    ("one", "other", "action", "share"),
    [
        (0, 0, "drop", 0),
        (0, 1000, "keep", 1000),
        (1000, 0, "keep", 1000),
        (200, 500, "sample", 500),
        (500, 200, "sample", 500),
        (999, 1000, "keep", 1000),
    ],
)
def test_the_more_protective_holds(one: int, other: int, action: str, share: int) -> None:
    both = combine(class_of(), settled(one), settled(other))
    assert (both.action, both.sample_permille) == (action, share)
    assert both.effect == ("permitted" if share == 0 else "overridden")


def test_what_is_as_proposed_is_permitted() -> None:
    sampled = class_of("sample", 0.5)
    assert combine(sampled, settled(500), settled(500)).effect == "permitted"
    assert combine(sampled, settled(500), settled(501)).effect == "overridden"


def test_reasons_of_both_stand_once() -> None:
    both = combine(class_of(), settled(1000, HARD, SOFT), settled(1000, SOFT, HARD))
    assert both.reasons == (HARD, SOFT)
    assert combine(class_of(), settled(0), settled(1000, HARD)).reasons == (HARD,)


def test_a_lease_runs_for_the_shorter_time() -> None:
    both = combine(class_of(), settled(0, ttl_seconds=300), settled(0, ttl_seconds=60))
    assert both.ttl_seconds == 60


def test_no_sampling_of_either_keeps() -> None:
    bound = settled(500, obligations=({"type": "no_sampling"},))
    for pair in ((bound, settled(0)), (settled(0), bound)):
        both = combine(class_of(), *pair)
        assert (both.action, both.effect) == ("keep", "overridden")


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        ([], [], []),
        ([{"type": "encrypt"}], [], [{"type": "encrypt"}]),
        ([{"type": "encrypt"}], [{"type": "encrypt"}], [{"type": "encrypt"}]),
        (
            [{"type": "no_sampling"}],
            [{"type": "encrypt"}],
            [{"type": "encrypt"}, {"type": "no_sampling"}],
        ),
        (
            [{"type": "retain_days", "at_least": 365, "at_hand": 90}],
            [{"type": "retain_days", "at_least": 2555, "at_hand": 30}],
            [{"type": "retain_days", "at_least": 2555, "at_hand": 90}],
        ),
        (
            [{"type": "retain_days", "at_most": 30}],
            [{"type": "retain_days", "at_most": 90}],
            [{"type": "retain_days", "at_most": 30}],
        ),
        (  # evidence wins over a limit of privacy
            [{"type": "retain_days", "at_most": 30}],
            [{"type": "retain_days", "at_least": 365}],
            [{"type": "retain_days", "at_least": 365}],
        ),
        (
            [{"type": "retain_days", "at_most": 400}],
            [{"type": "retain_days", "at_least": 365}],
            [{"type": "retain_days", "at_least": 365, "at_most": 400}],
        ),
        (
            [{"type": "allowed_regions", "regions": ["eu-west-1", "eu-north-1"]}],
            [{"type": "allowed_regions", "regions": ["us-east-1", "eu-west-1"]}],
            [{"type": "allowed_regions", "regions": ["eu-west-1"]}],
        ),
        (  # nowhere: the points wait in the spool
            [{"type": "allowed_regions", "regions": ["eu-west-1"]}],
            [{"type": "allowed_regions", "regions": ["us-east-1"]}],
            [{"type": "allowed_regions", "regions": []}],
        ),
        (
            [{"type": "mask", "attributes": ["process.owner"]}],
            [{"type": "mask", "attributes": ["k8s.pod.name", "process.owner"]}],
            [{"type": "mask", "attributes": ["k8s.pod.name", "process.owner"]}],
        ),
        (  # of a kind that nobody knows yet: both
            [{"type": "later", "n": 1}],
            [{"type": "later", "n": 2}],
            [{"type": "later", "n": 1}, {"type": "later", "n": 2}],
        ),
    ],
)
def test_each_duty_of_both_is_met(one: Any, other: Any, merged: Any) -> None:
    assert list(merge_obligations(one, other)) == merged
    assert sorted(map(repr, merge_obligations(other, one))) == sorted(map(repr, merged))


shares = st.integers(0, 1000)


@given(one=shares, other=shares, third=shares)
def test_no_order_of_asking_makes_a_difference(one: int, other: int, third: int) -> None:
    a, b, c = (settled(share) for share in (one, other, third))
    proposed = class_of()
    assert combine(proposed, a, b) == combine(proposed, b, a)
    left = combine(proposed, combine(proposed, a, b), c)
    right = combine(proposed, a, combine(proposed, b, c))
    assert left == right
    assert left.sample_permille == max(one, other, third)
