"""Two stewards on one log, whatever fails when and whoever crashes: one bundle is in force, no step
is skipped or follows a halt, nothing comes into force unapproved, and lanes only grow."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from gateway.audit.port import Appended, Draft, Payload, Removal
from gateway.changes.governance import apply
from gateway.changes.plan import RolloutPlan
from gateway.changes.records import Record
from gateway.changes.state import Governance, Kind, Rollout, Stage
from gateway.decisions.lanes import Lanes
from gateway.errors import GatewayError, LogUnavailableError
from gateway.transparency.entry import Entry
from gateway.wire.classes import Sender
from tests.fakes.changes import ANN, CY, Queue
from tests.fakes.log import MemoryLog
from tests.fakes.stewards import UNREADY, Station

PLAN = RolloutPlan(("dev", "production"), ("r1", "r2"), 300, dwell_seconds=10, min_evaluated=2)
SENDERS = [
    (
        Sender(environment, region, "edge"),
        f"spiffe://example.org/collector/{environment}/{region}/{n}",
    )
    for environment in ("dev", "production", "other")
    for region in ("r1", "r2", "r3")
    for n in range(12)
]

stations = st.integers(0, 1)
# Most plays begin with a bundle on its way: by chance alone few would come so far.
BEGUN = [("stage", 2), ("tick", 0), ("tick", 0), ("approve", 0), ("both", 1)]
NEARLY = [*BEGUN, *[("on", 0)] * 6]
BACK = [*NEARLY, ("on", 0), ("rollback", 0), ("both", 0)]
preludes = st.sampled_from([[], BEGUN, NEARLY, BACK])
acts = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), stations),
        st.tuples(st.just("both"), stations),
        st.tuples(st.just("pass"), st.sampled_from([1, 10, 31])),
        st.tuples(st.just("on"), stations),
        st.tuples(st.just("see"), stations, st.sampled_from([0, 1, 9])),
        st.tuples(st.just("loss"), stations),
        st.tuples(st.just("slip"), stations),
        st.tuples(st.just("rules"), stations, st.booleans()),
        st.tuples(st.just("crash"), stations),
        st.tuples(st.just("stage"), st.integers(2, 6)),
        st.tuples(st.just("approve"), st.integers(0, 3)),
        st.tuples(st.just("reject"), st.integers(0, 3)),
        st.tuples(st.just("rollback"), st.just(0)),
        st.tuples(st.just("refuse"), stations, st.booleans()),
        st.tuples(st.just("unready"), stations, st.booleans()),
        st.tuples(st.just("log"), st.sampled_from(["lost", "unknown", "well"])),
    ),
    min_size=5,
    max_size=60,
)


class RestlessLog(MemoryLog):
    """Gives way to others before it does anything; `next_fails`: the next append is `lost`, or has
    an `unknown` outcome: it stands, and the writer hears that it failed."""

    next_fails = "well"

    async def journal(self, start: int = 0) -> list[Entry]:
        await asyncio.sleep(0)
        return await super().journal(start)

    async def append(
        self,
        drafts: Sequence[Draft],
        payloads: Sequence[Payload] = (),
        *,
        after: int | None = None,
        fence: int | None = None,
        removal: Removal | None = None,
    ) -> list[Appended]:
        fate, self.next_fails = self.next_fails, "well"
        await asyncio.sleep(0)
        if fate == "lost":
            raise LogUnavailableError("disk full")
        places = await super().append(drafts, payloads, after=after, fence=fence, removal=removal)
        if fate == "unknown":
            raise LogUnavailableError("the connection broke")
        return places


class Play:
    """One sequence of acts."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.queue.log = RestlessLog(clock=self.queue.clock)
        self.queue.restart()

    async def run(self, plan: list[tuple[Any, ...]]) -> None:
        await self.queue.begin()
        self.stations = [Station(self.queue, PLAN) for _ in range(2)]
        for name, *values in plan:
            with contextlib.suppress(GatewayError):  # of a person's command that may not be
                await getattr(self, f"_{name}")(*values)
        await self.verify()

    async def _tick(self, at: int) -> None:
        await self.stations[at].tick()

    async def _both(self, first: int) -> None:
        one, other = self.stations[first], self.stations[1 - first]
        await asyncio.gather(one.tick(), other.tick())

    async def _pass(self, seconds: int) -> None:
        self.queue.clock.advance(seconds)

    async def _on(self, at: int) -> None:
        """Everything that a step wants."""
        await self._see(at, 5)
        await self._pass(10)
        await self._tick(at)

    async def _see(self, at: int, evaluated: int) -> None:
        if self.stations[at].state.rollout is not None:
            meter = self.stations[at].meter
            for sender, _ in SENDERS:
                place = (sender.environment, sender.region)
                meter.evaluated[place] = meter.evaluated.get(place, 0) + evaluated

    async def _loss(self, at: int) -> None:
        if self.stations[at].state.rollout is not None:
            self.stations[at].see(1, 0, "card-vault")

    async def _slip(self, at: int) -> None:
        """A loss, where all else is as a step wants it."""
        await self._loss(at)
        await self._on(at)

    async def _rules(self, at: int, fail: bool) -> None:
        self.stations[at].validation.found = ["latency: 9000"] if fail else []

    async def _refuse(self, at: int, refuse: bool) -> None:
        self.stations[at].trial.refusal = "opa test: failed" if refuse else None

    async def _unready(self, at: int, unready: bool) -> None:
        self.stations[at].is_ready = not unready
        self.stations[at].assessor.error = UNREADY if unready else None

    async def _crash(self, at: int) -> None:
        station = self.stations[at]
        await station.steward.tick()  # a trial may be under way
        await station.steward.aclose()
        self.stations[at] = Station(self.queue, PLAN)

    async def _stage(self, version: int) -> None:
        await self.queue.stage(version)

    async def _approve(self, at: int) -> None:
        if id := await self._waiting(at):
            await self.queue.approve(id)

    async def _reject(self, at: int) -> None:
        if id := await self._waiting(at):
            await self.queue.service.reject(CY, id, "not this one")

    async def _waiting(self, at: int) -> str:
        found = (await self.queue.journal.refresh()).waiting()
        return found[at % len(found)].id if found else ""

    async def _rollback(self, _: int) -> None:
        await self.queue.journal.refresh()
        await self.queue.service.rollback(ANN, "", "it was wrong")

    async def _log(self, fate: str) -> None:
        assert isinstance(self.queue.log, RestlessLog)
        self.queue.log.next_fails = fate

    async def verify(self) -> None:
        """From the log alone."""
        assert isinstance(self.queue.log, RestlessLog)
        self.queue.log.next_fails = "well"
        state = Governance()
        for entry in await self.queue.log.journal():
            before = state
            record = Record(entry.seq, entry.time_us, entry.type, entry.actor, entry.body)
            state = apply(state, record)  # one that may not stand would raise
            verify_step(before, state, record)
        for station in self.stations:
            assert await station.journal.refresh() == state


def verify_step(before: Governance, after: Governance, record: Record) -> None:
    """What one entry may do."""
    if record.type == "bundle.activated" and record.body["id"] is not None:
        change = before.changes[record.body["id"]]
        assert change.approval is not None
        assert change.approval.approver != change.author
        assert before.rollout is not None
        assert not before.rollout.is_halted
        assert before.rollout.is_complete
        assert after.rollout is None
    if record.type == "rollout.stepped":
        verify_stepped(before.rollout, after, record)
    if before.rollout is not None and after.rollout is not None:
        assert lanes_of(before.rollout) <= lanes_of(after.rollout)
    if before.rollout is not None and after.rollout is None:
        # Less than both only by an approved activation or another person's word.
        assert record.type in ("bundle.activated", "rollout.ended")
    if after.active != before.active:
        assert record.type == "bundle.activated"


def verify_stepped(before: Rollout | None, after: Governance, record: Record) -> None:
    rollout = after.rollout
    assert rollout is not None
    if before is None:
        assert rollout.step == 0
        change = after.changes[rollout.id]
        assert change.kind is Kind.ROLLBACK or change.approval is not None
        return
    assert not before.is_halted
    assert rollout.step == before.step + 1
    assert record.time_us - before.stepped_us >= PLAN.dwell_seconds * 1_000_000
    assert record.body["gate"]["never_filter_loss"] == 0


def lanes_of(rollout: Rollout) -> set[str]:
    """Who is in the canary."""
    lanes = Lanes(rollout.bundle, rollout.steps[: rollout.step + 1])
    return {uri for sender, uri in SENDERS if lanes.lane_of(uri, sender) == "canary"}


@given(prelude=preludes, plan=acts)
@settings(deadline=None, print_blob=True, max_examples=150)
def test_a_rollout_never_weakens_by_itself(
    prelude: list[tuple[Any, ...]], plan: list[tuple[Any, ...]]
) -> None:
    play = Play()
    asyncio.run(play.run([*prelude, *plan]))
    for type in ("rollout.stepped", "rollout.halted", "bundle.activated"):
        event(f"{type}: {min(len(play.queue.log.bodies(type)), 3)}")


@given(chance_seed=st.integers(0, 1_000_000))
@settings(deadline=None, print_blob=True, max_examples=12)
def test_through_failures_that_end_an_approved_bundle_comes_into_force(chance_seed: int) -> None:
    chance = random.Random(chance_seed)

    async def run() -> None:
        play = Play()
        await play.run([("stage", 2), ("both", 0), ("both", 0), ("both", 1), ("approve", 0)])
        state = await play.queue.journal.refresh()
        assert [change.stage for change in state.changes.values()] == [Stage.APPROVED]
        for _ in range(100):
            await play._log(chance.choice(["well", "well", "lost", "unknown"]))
            await play._both(chance.randrange(2))
            if chance.random() < 0.2:
                await play._crash(chance.randrange(2))
            await play._see(chance.randrange(2), 5)
            await play._pass(chance.choice([1, 10, 31]))
        await play.verify()
        state = await play.queue.journal.refresh()
        assert [change.stage for change in state.changes.values()] == [Stage.ACTIVE]
        assert len(play.queue.log.bodies("bundle.activated")) == 2

    asyncio.run(run())
