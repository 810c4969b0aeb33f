"""Evaluations entries: parsed strictly, and what was left out before lanes is the active lane."""

from typing import Any

import pytest

from gateway.decisions.verdict import Settled
from gateway.recorded.entries import RecordedShapeError, parse_evaluations, parse_verdict
from gateway.transparency.entry import Entry
from gateway.wire.verdicts import Reason

VERDICT: dict[str, Any] = {
    "action": "keep",
    "effect": "overridden",
    "obligations": [{"type": "no_sampling"}],
    "reasons": [
        {
            "control": "PCI-DSS-4.0.1/10.2.1",
            "level": "hard",
            "message": "cardholder data",
            "remediation": "",
            "rule": "rules.pci",
        }
    ],
    "sample_permille": 1000,
    "ttl_seconds": 300,
}


def entry(**changes: Any) -> Entry:
    body: dict[str, Any] = {
        "activation": 3,
        "bundle": "b" * 64,
        "context": {"time": "2026-01-02T03:04:05.000006Z", "windows": ["night"]},
        "engine": {"name": "opa", "version": "1.22.2"},
        "exceptions": "0" * 64,
        "floor": "f" * 64,
        "items": [{"class": "c" * 48, "verdict": VERDICT}],
        **changes,
    }
    return Entry("example.org/log", 7, bytes(32), 1_767_323_045_000_006, "evaluations", "a", body)


def test_an_entry_from_before_lanes_is_of_the_active_lane() -> None:
    found = parse_evaluations(entry())
    assert (found.seq, found.lane, found.candidate) == (7, "active", None)
    assert found.context_us == 1_767_323_045_000_006
    assert found.windows == ("night",)
    assert found.items[0].verdict == VERDICT


def test_a_canary_entry_pins_its_candidate() -> None:
    pin = {"bundle": "d" * 64, "floor": "e" * 64, "windows": []}
    found = parse_evaluations(entry(lane="canary", candidate=pin))
    assert found.lane == "canary"
    assert found.candidate is not None
    assert (found.candidate.bundle, found.candidate.windows) == ("d" * 64, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"items": "none"},
        {"activation": "3"},
        {"context": {"time": "yesterday", "windows": []}},
        {"items": [{"verdict": VERDICT}]},
        {"engine": None},
    ],
)
def test_another_shape_is_refused_by_its_place(changes: dict[str, Any]) -> None:
    with pytest.raises(RecordedShapeError, match="entry 7 is no evaluations entry"):
        parse_evaluations(entry(**changes))


def test_a_verdict_comes_back_as_it_was_settled() -> None:
    settled = parse_verdict(VERDICT)
    reason = Reason("PCI-DSS-4.0.1/10.2.1", "rules.pci", "hard", "cardholder data")
    assert settled == Settled(
        "keep", 1000, "overridden", (reason,), ({"type": "no_sampling"},), 300
    )
    assert settled.record() == VERDICT


def test_a_verdict_of_another_shape_is_refused() -> None:
    with pytest.raises(RecordedShapeError):
        parse_verdict({**VERDICT, "action": "maybe"})
    with pytest.raises(RecordedShapeError):
        parse_verdict({**VERDICT, "more": 1})
