"""Kept, unless a live lease of exactly this class says otherwise."""

from dataclasses import replace

import msgspec
import pytest

from collector.enforce.decision import Candidate, decide, is_sampled_in
from gateway.wire.verdicts import Lease, Verdict

KEY = "a" * 64
LEASE = Lease(KEY, 3, 300, "2026-01-02T03:04:05.000006Z")
DROP = Verdict("drop", 0.0, "permitted", lease=LEASE)
SAMPLE = Verdict("sample", 0.25, "permitted", lease=LEASE)
KEEP = Verdict("keep", 1.0, "overridden", obligations=({"type": "no_sampling"},), lease=LEASE)
KNOWN = Candidate("7:107", KEY)


def test_a_live_lease_drops() -> None:
    decision = decide(KNOWN, DROP)
    assert (decision.outcome, decision.class_key) == ("dropped", KEY)


@pytest.mark.parametrize(
    ("candidate", "cause"),
    [
        (replace(KNOWN, is_first_sample=True), "first_sample"),
        (replace(KNOWN, is_identified=False), "identity_unknown"),
        (replace(KNOWN, is_forced=True), "forced"),
        (replace(KNOWN, class_key=None), "no_lease"),
        (replace(KNOWN, class_key="b" * 64), "no_lease"),
    ],
)
def test_what_keeps_whatever_the_verdict_says(candidate: Candidate, cause: str) -> None:
    for verdict in (DROP, SAMPLE):
        decision = decide(candidate, verdict)
        assert (decision.outcome, decision.cause) == ("kept", cause)


def test_without_a_lease_a_point_is_kept_under_no_verdict() -> None:
    for verdict in (None, msgspec.structs.replace(DROP, lease=None)):
        decision = decide(KNOWN, verdict)
        assert (decision.outcome, decision.cause) == ("kept", "no_lease")
        assert decision.obligations is None
        assert decision.is_protected


def test_obligations_hold_for_points_that_are_kept_for_another_reason() -> None:
    decision = decide(replace(KNOWN, is_first_sample=True), KEEP)
    assert decision.obligations == KEEP.obligations
    assert decision.is_protected


def test_observing_withholds_nothing() -> None:
    assert decide(KNOWN, DROP, observe=True).cause == "observing"
    assert decide(KNOWN, SAMPLE, observe=True).outcome == "kept"


def test_a_process_is_in_the_sample_for_its_whole_life_or_never() -> None:
    series = [f"{pid}:{pid * 31}" for pid in range(4000)]
    first = [decide(replace(KNOWN, series_id=name), SAMPLE).outcome for name in series]
    again = [decide(replace(KNOWN, series_id=name), SAMPLE).outcome for name in series]
    assert first == again
    share = first.count("kept") / len(series)
    assert 0.22 < share < 0.28
    assert decide(KNOWN, SAMPLE).kept_permille == 250


def test_a_higher_rate_keeps_what_a_lower_one_kept() -> None:
    series = [str(pid) for pid in range(500)]
    low = {name for name in series if is_sampled_in(name, KEY, 100)}
    high = {name for name in series if is_sampled_in(name, KEY, 300)}
    assert low < high
    assert all(is_sampled_in(name, KEY, 1000) for name in series)
    assert not any(is_sampled_in(name, KEY, 0) for name in series)
