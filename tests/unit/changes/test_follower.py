import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from gateway import canonical
from gateway.audit.errors import LogBrokenError
from gateway.audit.journal import JournalHeads
from gateway.audit.port import Draft
from gateway.bundles.folder import Bundle
from gateway.changes import follower
from gateway.changes.assembly import Assembly
from gateway.changes.engines import Engines, Makers
from gateway.changes.follower import Follower
from gateway.changes.journal import Journal
from gateway.engine.port import Engine
from gateway.errors import EngineError
from gateway.wire.verdicts import PolicyRef
from tests.fakes.changes import ANN, Queue, act, everywhere, opened
from tests.fakes.engine import FakeEngine
from tests.fakes.log import ACTOR


@dataclass
class Process:
    """A follower over a queue's log and journal. Engines of versions in `broken` do not start."""

    queue: Queue
    broken: set[int] = field(default_factory=set)
    published: list[PolicyRef] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    defect: Exception | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.journal = Journal(self.queue.log, self.queue.clock)
        makers = Makers(self._make, self._make)
        self.engines = Engines(
            self.queue.store, lambda archive: opened(archive).bundle, makers, drain_seconds=0.0
        )
        assembly = Assembly(self.engines, lambda name: None, 90)
        self.follower = Follower(
            self.journal, self.queue.log, assembly, self.engines, self._publish
        )

    def _publish(self, ref: PolicyRef) -> None:
        self.told.set()
        self.published.append(ref)

    async def _make(self, bundle: Bundle) -> Engine:
        if self.defect is not None:
            raise self.defect
        self.made.append(bundle.version)
        if bundle.version in self.broken:
            raise EngineError("OPA was not healthy within 20 s")
        return FakeEngine()

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.follower.look()
            await self.settle()

    async def settle(self) -> None:
        """Let an engine that is being warmed up come to its end."""
        if self.follower._warming is not None:
            await self.follower._warming


def play(scene: Callable[[Queue, Process], Awaitable[None]]) -> None:
    async def run() -> None:
        queue = Queue()
        await queue.begin()
        process = Process(queue)
        await process.follower.start()
        process.told.clear()
        try:
            await scene(queue, process)
        finally:
            await process.engines.aclose()

    asyncio.run(run())


async def approved(queue: Queue, version: int = 2) -> str:
    id = await queue.stage(version)
    await queue.test(id)
    await queue.assess(id)
    await queue.approve(id)
    return id


def test_what_others_appended_is_served() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        id = await approved(queue)
        await queue.step(id, 0, [everywhere()])
        await process.look()
        policy = process.follower()
        assert policy.candidate is not None
        assert policy.candidate.revision.startswith("2-")
        assert policy.ref.activation == queue.state.activation
        assert process.published[-1] == policy.ref
        await queue.activate(id)
        await process.look()
        assert process.follower().ref.revision.startswith("2-")
        assert process.follower().candidate is None

    play(scene)


def test_what_this_process_appended_and_has_read_already_is_served() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        await process.look()
        id = await approved(queue)
        await queue.step(id, 0, [everywhere()])
        await process.journal.refresh()  # as after each append of its own
        await process.look()
        assert process.follower().candidate is not None
        assert process.follower().ref.activation == queue.state.activation

    play(scene)


def test_until_it_can_be_served_everything_is_kept_under_the_new_number() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        process.broken = {2}
        id = await approved(queue)
        await queue.step(id, 0, [everywhere()])
        await process.look()
        policy = process.follower()
        assert policy.ref.activation == queue.state.activation
        assert policy.hold == "OPA was not healthy within 20 s"
        process.broken = set()
        await process.look()
        assert process.follower.problem is None
        assert process.follower().candidate is not None

    play(scene)


def test_an_approved_bundles_engine_is_warmed_up_and_tried_again() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        process.broken = {2}
        id = await approved(queue)
        bundle = str(queue.state.changes[id].subject["bundle"])
        await process.look(2)
        assert process.made == [1, 2, 2]  # the journal did not move in between
        assert not process.engines.is_ready(bundle)
        process.broken = set()
        await process.look()
        assert process.engines.is_ready(bundle)
        assert process.follower.problem is None

    play(scene)


def test_a_change_that_waits_at_the_start_is_warmed_up_too() -> None:
    async def run() -> None:
        queue = Queue()
        await queue.begin()
        id = await approved(queue)
        process = Process(queue)
        await process.follower.start()
        await process.look()
        assert process.engines.is_ready(str(queue.state.changes[id].subject["bundle"]))
        await process.engines.aclose()

    asyncio.run(run())


def test_a_step_that_goes_on_keeps_its_meter_and_the_next_has_its_own() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        steps = [everywhere(200), everywhere()]
        id = await approved(queue)
        await queue.step(id, 0, steps)
        await process.look()
        first = process.follower().candidate
        row = {"id": "r", "glob": "a-*", "control": "", "reason": "urgent"}
        await queue.note("protection.added", key=ANN.key, row=row, change=act("protection.add"))
        await process.look()
        same = process.follower().candidate
        await queue.step(id, 1, steps)
        await process.look()
        second = process.follower().candidate
        assert first is not None
        assert same is not None
        assert second is not None
        assert first.floor.hash != same.floor.hash
        assert first.meter is same.meter
        assert first.meter is not second.meter
        assert first.meter.losses is second.meter.losses  # a loss seen at its end halts the next

    play(scene)


def test_who_meets_a_newer_number_hurries_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "LOOK_EVERY_SECONDS", 3_600.0)

    async def scene(queue: Queue, process: Process) -> None:
        following = asyncio.create_task(process.follower.follow())
        await asyncio.sleep(0)
        await queue.bring_in_force(2)
        process.follower.look_soon()
        async with asyncio.timeout(30):
            await process.told.wait()
        following.cancel()

    play(scene)


def test_a_defect_does_not_end_the_following() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        process.defect = RuntimeError("nobody thought of this")
        await queue.bring_in_force(2)
        await process.look()
        assert process.follower.problem == "a defect: RuntimeError"
        process.defect = None
        await process.look()
        assert process.follower.problem is None

    play(scene)


def test_a_log_that_cannot_be_read_changes_nothing() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        policy = process.follower()
        await queue.bring_in_force(2)
        queue.log.failing = "the disk is gone"
        await process.look()
        assert process.follower() is policy
        queue.log.failing = None
        await process.look()
        assert process.follower().ref.activation == queue.state.activation

    play(scene)


def test_under_a_journal_that_does_not_hold_everything_is_kept() -> None:
    async def scene(queue: Queue, process: Process) -> None:
        id = await queue.stage(2)
        state = await queue.journal.refresh()
        forged: dict[str, canonical.Value] = {
            "id": id,
            "prior": state.journal,
        }  # nobody knows its impact yet
        draft = Draft("change.approved", ACTOR, canonical.encode(forged))
        await queue.log.append([draft], after=state.journal)
        await process.look()
        assert "change.approved" in (process.follower.problem or "")
        assert process.follower().hold == process.follower.problem

    play(scene)


def test_a_journal_row_that_is_gone_keeps_everything_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(queue: Queue, process: Process) -> None:
        async def broken() -> JournalHeads:
            raise LogBrokenError("entry 3: its journal row was there and is missing")

        with monkeypatch.context() as tampered:
            tampered.setattr(queue.log, "heads", broken)
            await process.look()
            assert "entry 3" in (process.follower().hold or "")
        await process.look()
        assert process.follower().hold is None

    play(scene)
