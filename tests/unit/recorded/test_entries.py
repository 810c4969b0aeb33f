"""Evaluations entries: parsed strictly, and what was left out before lanes is the active lane."""

from typing import Any

import pytest

from gateway import canonical
from gateway.decisions.verdict import Settled
from gateway.recorded.entries import (
    RecordedShapeError,
    StoredEntry,
    parse_evaluations,
    parse_verdict,
)
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


def entry(**changes: Any) -> StoredEntry:
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
    outer: dict[str, Any] = {
        "actor": "a",
        "body": body,
        "log": "example.org/log",
        "prev": "0" * 64,
        "seq": 7,
        "time": "2026-01-02T03:04:05.000006Z",
        "type": "evaluations",
        "v": 1,
    }
    return StoredEntry(7, canonical.encode(outer))


def test_an_entry_from_before_lanes_is_of_the_active_lane() -> None:
    found = parse_evaluations(entry())
    assert (found.seq, found.lane, found.candidate) == (7, "active", None)
    assert found.context_us == 1_767_323_045_000_006
    assert found.windows == ("night",)
    assert found.items[0].verdict == canonical.encode(VERDICT)
    assert found.items[0].value() == VERDICT


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
    settled = parse_verdict(canonical.encode(VERDICT))
    reason = Reason("PCI-DSS-4.0.1/10.2.1", "rules.pci", "hard", "cardholder data")
    assert settled == Settled(
        "keep", 1000, "overridden", (reason,), ({"type": "no_sampling"},), 300
    )
    assert settled.record() == VERDICT


def test_a_verdict_of_another_shape_is_refused() -> None:
    with pytest.raises(RecordedShapeError):
        parse_verdict(canonical.encode({**VERDICT, "action": "maybe"}))
    with pytest.raises(RecordedShapeError):
        parse_verdict(canonical.encode({**VERDICT, "more": 1}))


def test_an_entry_at_another_place_or_of_no_form_is_refused() -> None:
    for stored in (StoredEntry(8, entry().data), StoredEntry(7, b"{}"), StoredEntry(7, b"\xff")):
        with pytest.raises(RecordedShapeError, match=f"entry {stored.seq} "):
            parse_evaluations(stored)
