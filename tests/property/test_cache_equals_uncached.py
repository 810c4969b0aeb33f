"""A verdict from the cache is the verdict that a gateway without a cache would give."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import parse_time
from gateway.decisions.windows import Schedule, parse_windows
from gateway.engine.port import RuleVerdict
from gateway.wire.classes import ProcessClass, Sender
from tests.fakes.decisions import DAY_US, FAR_US, NOW_US, body, make_desk, make_policy
from tests.fakes.engine import Answer, FakeEngine

SECOND_US = 1_000_000


class DigestEngine(FakeEngine):
    """A pure function of sender, windows and class: every one of them changes the answer."""

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[Answer]:
        assert classes
        return [self._answer(tuple(windows), item) for item in classes]

    def _answer(self, windows: tuple[str, ...], process_class: ProcessClass) -> Answer:
        digest = hashlib.sha256(repr(windows).encode() + process_class.canonical()).digest()
        share = int.from_bytes(digest[:2]) % 999 + 1
        if share < process_class.sample_permille:
            return RuleVerdict(
                "permit", process_class.action, process_class.sample_permille, ttl_seconds=600
            )
        return RuleVerdict("protect", "sample", share, ttl_seconds=digest[2] + 1)


senders = st.builds(
    Sender, st.sampled_from(["dev", "production"]), st.sampled_from(["r1", "r2"]), st.just("edge")
)
proposals = st.fixed_dictionaries(
    {
        "ref": st.sampled_from(["1", "2"]),
        "process": st.dictionaries(
            st.sampled_from(["process.executable.name", "service.name", "undeclared"]),
            st.sampled_from(["a", "b", "patient-data-service"]),
        ),
        "action": st.sampled_from(["drop", "sample", "keep"]),
    },
    optional={
        "sample_rate": st.sampled_from([0.1, 0.1000000001, 0.5]),
        "score": st.sampled_from([0, 0.1, 0.25, 0.2500001, 0.9, 1]),
        "profile": st.sampled_from(["balanced", ""]),
    },
)
clock_times = st.sampled_from(["03:00", "03:05", "03:06", "12:00", "23:59", "00:00"])


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    rows = [
        {
            "name": draw(st.sampled_from(["w1", "w2"])),
            "zone": draw(st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"])),
            "days": draw(st.lists(st.sampled_from(days), min_size=1, unique=True)),
            "from": draw(clock_times),
            "to": draw(clock_times),
        }
        for _ in range(draw(st.integers(0, 2)))
    ]
    return parse_windows(rows)


requests = st.lists(
    st.tuples(
        st.one_of(st.integers(-400, 400), st.integers(-100_000, 900_000)),
        senders,
        st.lists(proposals, min_size=1, max_size=4),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def without_lease(answer: dict[str, Any]) -> list[Any]:
    """Per proposal: ref and verdict, the lease left out."""
    found = []
    for ref, position in answer["refs"]:
        verdict = answer["verdicts"][position]
        found.append((ref, {name: part for name, part in verdict.items() if name != "lease"}))
    return found


@given(schedule=schedules(), asked=requests)
@settings(deadline=None, print_blob=True)
def test_cached_and_uncached_answers_are_equal(schedule: Schedule, asked: Any) -> None:
    async def run() -> None:
        policy = make_policy(DigestEngine(), schedule=schedule)
        cached = make_desk(policy)
        for seconds, sender, batch, is_soon in asked:
            cached.clock.advance(seconds)
            now_us = cached.clock.now_us()
            fresh = make_desk(policy)
            fresh.clock.wall_us = now_us
            ends_us = now_us + 3 * SECOND_US if is_soon else now_us + 2 * DAY_US
            cached.certificate_ends_us = fresh.certificate_ends_us = ends_us
            mine = await cached.ask_raw(body(*batch), sender)
            other = await fresh.ask_raw(body(*batch), sender)
            assert without_lease(mine) == without_lease(other)
            boundary_us = schedule.next_boundary_us(now_us) or FAR_US
            for (_, position), (_, fresh_position) in zip(mine["refs"], other["refs"], strict=True):
                lease = mine["verdicts"][position]["lease"]
                longest = other["verdicts"][fresh_position]["lease"]
                if lease is None:
                    continue
                assert lease["class"] == longest["class"]
                assert lease["expires"] <= longest["expires"]
                expires_us = parse_time(lease["expires"])
                assert expires_us <= min(ends_us, boundary_us)
                assert now_us + lease["ttl_seconds"] * SECOND_US <= expires_us

    assert NOW_US < FAR_US
    asyncio.run(run())
