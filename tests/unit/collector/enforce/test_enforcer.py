"""Withheld points are counted and protected ones never share a request with others."""

import json

import pytest

from collector.enforce.decision import Decision
from collector.enforce.enforcer import Enforced, Enforcer
from collector.enforce.ledger import Ledger
from gateway.wire.ledger import ClassCounters
from tests.fakes.processes import snapshot


def test_protected_points_never_share_a_request() -> None:
    requests = Enforcer(Ledger("0"), "eu-west-1").apply(
        [
            Enforced(snapshot("guarded", 1), Decision("kept", "no_lease", None)),
            Enforced(
                snapshot("plain", 2), Decision("kept", "verdict", "k", 1000, (), is_protected=False)
            ),
        ]
    )
    texts = [json.dumps(request) for request in requests]
    assert ["guarded" in text for text in texts] == [True, False]
    assert ["plain" in text for text in texts] == [False, True]


def test_what_is_withheld_is_counted_by_class_and_not_exported() -> None:
    ledger = Ledger("0")
    requests = Enforcer(ledger, "eu-west-1").apply(
        [
            Enforced(snapshot("a", 1, points=4), Decision("dropped", "verdict", "k", 0)),
            Enforced(snapshot("b", 2, points=2), Decision("sampled_out", "verdict", "k", 100)),
        ]
    )
    assert requests == []
    assert ledger.by_class() == (("k", ClassCounters(dropped=4, sampled_out=2)),)
    assert ledger.counters().dropped == 0  # the totals are the agent's to count


def test_a_process_that_went_and_came_is_first_again() -> None:
    enforcer = Enforcer(Ledger("0"), "eu-west-1")
    process = snapshot("a", 1)
    decision = Decision("kept", "no_lease", None)
    assert enforcer.is_first_sample(process.identity)
    enforcer.apply([Enforced(process, decision)])
    assert not enforcer.is_first_sample(process.identity)
    enforcer.apply([])
    assert enforcer.is_first_sample(process.identity)


def test_nothing_is_withheld_without_a_class() -> None:
    withheld = Enforced(snapshot("a", 1), Decision("dropped", "verdict", None, 0))
    with pytest.raises(ValueError, match="without a class"):
        Enforcer(Ledger("0"), "eu-west-1").apply([withheld])
