import asyncio

import pytest

from gateway.api.denials import BURST, PER_SECOND, DenialRecorder
from gateway.clock import ManualClock
from gateway.errors import LogUnavailableError
from tests.fakes.log import ACTOR, MemoryLog


def record(recorder: DenialRecorder, count: int = 1) -> None:
    async def run() -> None:
        for _ in range(count):
            await recorder.record("spiffe://example.org/auditor/di", "GET /x", 403, "r")

    asyncio.run(run())


def test_the_rate_holds_over_time() -> None:
    log, clock = MemoryLog(), ManualClock()
    recorder = DenialRecorder(log, clock, ACTOR)
    for _ in range(20):
        record(recorder, 200)
        clock.advance(0.5)
    assert len(log.bodies("denial")) == BURST + int(19 * 0.5 * PER_SECOND)


def test_long_idling_saves_no_more_than_a_burst() -> None:
    log, clock = MemoryLog(), ManualClock()
    recorder = DenialRecorder(log, clock, ACTOR)
    clock.advance(10**6)
    record(recorder, 500)
    assert len(log.bodies("denial")) == BURST


def test_what_a_failing_log_swallowed_is_told_later() -> None:
    log, clock = MemoryLog(), ManualClock()
    recorder = DenialRecorder(log, clock, ACTOR)
    record(recorder, BURST + 5)
    clock.advance(1)
    log.failing = "disk full"
    with pytest.raises(LogUnavailableError):
        record(recorder)
    log.failing = None
    record(recorder)
    assert log.bodies("denial")[-1]["suppressed_before"] == 6


def test_long_texts_are_cut() -> None:
    log = MemoryLog()
    recorder = DenialRecorder(log, ManualClock(), ACTOR)
    asyncio.run(recorder.record(None, "GET /" + "x" * 10_000, 401, "y" * 10_000))
    assert len(log.entries[-1]) < 1_000
    assert ACTOR.encode() in log.entries[-1]
