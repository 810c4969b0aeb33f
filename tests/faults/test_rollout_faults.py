"""Each write of the rollout's state fails: failed, failed but persisted, or the process killed in
the act. Whatever happened the journal folds, the act is there once, and the next steward goes on.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.audit.sql_log import SqlLog
from gateway.changes.state import Governance, Stage
from gateway.clock import format_time
from gateway.storage.engine import Engine
from gateway.transparency.entry import parse_entry
from tests.fakes.changes import ANN, BOB, Queue, act
from tests.fakes.failing_sql import copy_as_killed, failing
from tests.fakes.sql_logs import open_engine, open_log, stored_entries, verify
from tests.fakes.stewards import PLAN, UNREADY, Station

WRITES = (
    ("BEGIN IMMEDIATE", False),
    ("INSERT INTO entries", False),
    ("INSERT INTO journal", False),
    ("COMMIT", False),
    ("COMMIT", True),
)
DWELL = PLAN.dwell_seconds


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db", busy_timeout_seconds=0.2)
    yield made
    made.dispose()


class Scene:
    """A log in a database with a bundle in force, and a steward."""

    def __init__(self, log: SqlLog, queue: Queue) -> None:
        self.log = log
        self.queue = queue
        queue.log = log  # type: ignore[assignment]
        queue.restart()
        self.station = Station(queue)

    async def stage(self) -> str:
        return await self.queue.stage()

    async def test(self) -> None:
        await self.stage()
        await self.station.tick()

    async def approve(self) -> None:
        await self.test()
        state = await self.station.tick()
        await self.queue.journal.refresh()
        await self.queue.approve(next(iter(state.changes)))

    async def begin(self) -> None:
        await self.approve()
        await self.station.tick()
        self.station.see()
        self.queue.clock.advance(DWELL)

    async def nearly(self) -> None:
        await self.begin()
        await self.station.tick()
        self.station.see()
        self.queue.clock.advance(DWELL)

    async def lose(self) -> None:
        await self.begin()
        self.station.see(1, 0, "card-vault")

    async def grant(self) -> None:
        subject = {
            "environment": "",
            "expires": format_time(self.queue.clock.now_us() + 3_600_000_000),
            "pattern": {"glob": "log-shipper"},
            "reason": "urgent",
            "region": "",
            "rules": ["rules.soft"],
        }
        asked, said = act("exception.request", ANN.uri), act("exception.approve", BOB.uri)
        state = await self.queue.note(
            "change.staged", kind="exception", key=ANN.key, subject=subject, change=asked
        )
        id = f"c{state.journal}"
        await self.queue.note(
            "change.approved", id=id, bundle="", losses_hash="", key=BOB.key, change=said
        )
        await self.queue.note("exception.granted", id=id, change=said)
        self.queue.clock.advance(3_601)


Prepare = Callable[[Scene], Awaitable[object]]
# What was done before, and the entry that the steward writes next.
ACTS: dict[str, tuple[Prepare, str, Stage]] = {
    "tested": (Scene.stage, "change.tested", Stage.TESTED),
    "assessed": (Scene.test, "change.assessed", Stage.ASSESSED),
    "first step": (Scene.approve, "rollout.stepped", Stage.ROLLING),
    "next step": (Scene.begin, "rollout.stepped", Stage.ROLLING),
    "activated": (Scene.nearly, "bundle.activated", Stage.ACTIVE),
    "halted": (Scene.lose, "rollout.halted", Stage.HALTED),
    "ended": (Scene.grant, "exception.ended", Stage.ENDED),
}


async def open_scene(engine: Engine, queue: Queue) -> Scene:
    log = await open_log(engine, clock=queue.clock, interval_seconds=0.05)
    return Scene(log, queue)


async def healthy(log: SqlLog) -> None:
    """The log tries each moment whether it can be written again."""
    async with asyncio.timeout(20):
        while log.health() is not None:  # noqa: ASYNC110 (another thread has no event for it)
            await asyncio.sleep(0.01)


def counts(engine: Engine) -> Counter[str]:
    """How often each type of entry stands in the database."""
    return Counter(parse_entry(data).type for data in stored_entries(engine))


def only_stage(state: Governance) -> Stage:
    [change] = state.changes.values()
    return change.stage


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize(("write", "persisted"), WRITES)
def test_an_act_whose_write_fails_is_there_once(
    engine: Engine, name: str, write: str, persisted: bool
) -> None:
    prepare, type, stage = ACTS[name]

    async def run() -> None:
        queue = Queue()
        scene = await open_scene(engine, queue)
        try:
            await queue.begin()
            await prepare(scene)
            before = counts(engine)
            with failing(engine, write, persisted) as hits:
                await scene.station.steward.tick()
                await scene.station.steward.settle()
            assert hits
            assert scene.station.steward.problem is not None
            if stage is Stage.TESTED:
                scene.station.assessor.error = UNREADY  # else what persisted is assessed already
            queue.clock.advance(5)
            await healthy(scene.log)
            state = await scene.station.tick()
            expected = before + Counter({type: 1})
            assert {kind: counts(engine)[kind] for kind in expected} == expected
            assert only_stage(state) is stage
            fresh = Station(queue)
            assert await fresh.journal.refresh() == state
        finally:
            await scene.log.aclose()
        assert verify(engine).exit_code in (0, 3)

    asyncio.run(run())


@pytest.mark.parametrize("name", ACTS)
def test_a_process_killed_after_an_act_leaves_the_rest_to_the_next(
    engine: Engine, tmp_path: Path, name: str
) -> None:
    prepare, type, stage = ACTS[name]

    async def run() -> None:
        queue = Queue()
        scene = await open_scene(engine, queue)
        await queue.begin()
        await prepare(scene)
        before = counts(engine)
        await scene.station.tick()
        path = copy_as_killed(tmp_path / "log.db", tmp_path / "killed.db")
        await scene.log.aclose()
        killed = open_engine(path)
        again = await open_scene(killed, queue)
        try:
            state = await again.station.journal.refresh()
            assert only_stage(state) is stage
            assert counts(killed)[type] == before[type] + 1
            await again.station.tick()  # goes on, and does nothing again
            assert counts(killed)[type] == before[type] + 1
        finally:
            await again.log.aclose()
            killed.dispose()

    asyncio.run(run())
