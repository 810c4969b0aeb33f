import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest

from gateway.changes.approvals import Approving
from gateway.changes.examination import MAX_NAMED_LOSSES, AssessmentResult
from gateway.changes.rollout import RolloutActs
from gateway.changes.state import Governance, Stage
from gateway.clock import format_time
from gateway.errors import EngineError
from gateway.impact.report import losses_hash
from tests.fakes.changes import ANN, BOB, Queue, act
from tests.fakes.log import ACTOR
from tests.fakes.stewards import UNREADY, FakeAssessor, Station

Scene = Callable[[Queue, Station], Awaitable[None]]


def play(scene: Scene) -> None:
    """A log with a bundle in force and one steward."""

    async def run() -> None:
        queue = Queue()
        await queue.begin()
        await scene(queue, Station(queue))

    asyncio.run(run())


def stage_of(state: Governance, id: str) -> Stage:
    return state.changes[id].stage


def test_a_staged_bundle_is_tried_and_assessed() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await queue.stage()
        assert stage_of(await station.tick(), id) is Stage.TESTED
        station.assessor.losses = ("b", "a")
        state = await station.tick()
        assert stage_of(state, id) is Stage.ASSESSED
        found = state.changes[id].assessment
        assert found is not None
        assert (found.losses, found.losses_count) == (("a", "b"), 2)
        assert found.losses_hash == losses_hash(["a", "b"])
        assert (found.classes, found.verdicts, found.more, found.less) == (10, 1000, 1, 2)
        report = queue.store.get(found.report)
        assert report is not None
        assert hashlib.sha256(report).hexdigest() == found.report
        assert await queue.service.approve(BOB, id, _named(state, id, "a", "b"), "fine", "T-2")

    play(scene)


def test_a_failed_trial_rejects_and_leaves_the_reason() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await queue.stage()
        station.trial.refusal = "opa test: failed: data.main.test_x"
        state = await station.tick(2)
        assert stage_of(state, id) is Stage.REJECTED
        assert state.changes[id].detail == "opa test: failed: data.main.test_x"
        bundle = state.changes[id].subject["bundle"]
        [refused] = queue.log.bodies("bundle.refused")
        assert refused == {
            "bundle": bundle,
            "id": id,
            "reason": "opa test: failed: data.main.test_x",
        }
        assert station.assessor.assessed == []

    play(scene)


def test_a_trial_that_cannot_be_made_rejects_nothing_and_is_tried_again() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await queue.stage()
        station.trial.error = EngineError("there is no OPA")
        assert stage_of(await station.tick(), id) is Stage.STAGED
        assert station.steward.problem == f"examining {id}: there is no OPA"
        await station.tick()
        assert station.trial.tried == [id]  # not yet again
        station.trial.error = None
        queue.clock.advance(1)
        assert stage_of(await station.tick(), id) is Stage.TESTED
        await station.tick()
        assert station.steward.problem is None

    play(scene)


def test_one_change_that_cannot_be_assessed_holds_up_no_other() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        first, second = await queue.stage(2), await queue.stage(3)
        station.assessor.error = UNREADY
        await station.tick(2)  # the first is tried, and cannot be assessed
        station.assessor.error = None
        state = await station.tick(2)
        assert (stage_of(state, first), stage_of(state, second)) == (Stage.TESTED, Stage.ASSESSED)

    play(scene)


def test_a_tick_does_not_wait_for_a_trial() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await queue.stage()
        station.trial.gate = asyncio.Event()
        async with asyncio.timeout(5):
            await station.steward.tick()
            await station.steward.tick()
        station.trial.gate.set()
        await station.steward.settle()
        assert stage_of(await station.journal.refresh(), id) is Stage.TESTED
        assert station.trial.tried == [id]

    play(scene)


def test_of_two_stewards_one_acts() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        other = Station(queue)
        id = await queue.stage()
        for one in (station, other):
            one.trial.refusal = "no"
        await asyncio.gather(station.tick(), other.tick())
        assert len(queue.log.bodies("change.tested")) == 1
        assert len(queue.log.bodies("bundle.refused")) == 1
        assert (station.steward.problem, other.steward.problem) == (None, None)
        assert stage_of(await queue.folded(), id) is Stage.REJECTED

    play(scene)


def test_a_steward_that_ends_leaves_its_work_to_the_next() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await queue.stage()
        station.trial.gate = asyncio.Event()
        await station.steward.tick()
        await station.steward.aclose()
        assert stage_of(await Station(queue).tick(), id) is Stage.TESTED

    play(scene)


def test_the_log_names_the_first_losses_and_the_report_all() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await queue.stage()
        names = tuple(f"{number:04}-{'é' * 190}" for number in range(300))
        station.assessor.losses = names
        state = await station.tick(2)
        found = state.changes[id].assessment
        assert found is not None
        assert 0 < len(found.losses) < MAX_NAMED_LOSSES  # they would not fit
        assert found.losses == names[: len(found.losses)]
        assert (found.losses_count, found.losses_hash) == (300, losses_hash(names))

    play(scene)


def test_a_rollback_is_assessed_before_others_and_while_it_holds_for_everybody() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await queue.bring_in_force(2)
        later = await queue.stage(3)
        await station.tick()
        await queue.service.rollback(ANN, "", "back")
        state = await station.tick()
        assert state.rollout is not None
        back = state.changes[state.rollout.id]
        assert (back.stage, back.assessment is not None) == (Stage.ROLLING, True)
        assert stage_of(state, later) is Stage.TESTED

    play(scene)


def test_an_impact_that_was_compared_with_a_bundle_that_is_over_counts_for_nothing() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        later = await queue.stage(3)
        await station.tick()
        meanwhile = Meanwhile(queue)
        station.assessor.assess = meanwhile.assess  # type: ignore[method-assign]
        state = await station.tick()
        assert state.active is not None
        assert state.active.version == 2
        assert stage_of(state, later) is Stage.TESTED
        state = await station.tick()
        assert stage_of(state, later) is Stage.ASSESSED

    play(scene)


class Meanwhile(FakeAssessor):
    """Another bundle comes into force while the first impact is worked out."""

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self._queue = queue

    async def assess(self, bundle_hash: str) -> AssessmentResult:
        if not self.assessed:
            await self._queue.bring_in_force(2)
        return await super().assess(bundle_hash)


async def _granted(queue: Queue) -> str:
    """An exception for an hour."""
    subject = {
        "environment": "",
        "expires": format_time(queue.clock.now_us() + 3_600_000_000),
        "pattern": {"glob": "log-shipper"},
        "reason": "urgent",
        "region": "",
        "rules": ["rules.soft"],
    }
    asked = act("exception.request", ANN.uri)
    state = await queue.note(
        "change.staged", kind="exception", key=ANN.key, subject=subject, change=asked
    )
    id = f"c{state.journal}"
    said = act("exception.approve", BOB.uri)
    await queue.note("change.approved", id=id, bundle="", losses_hash="", key=BOB.key, change=said)
    await queue.note("exception.granted", id=id, change=said)
    return id


def test_an_exception_ends_on_time_and_once() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await _granted(queue)
        other = Station(queue)
        queue.clock.advance(3_599)
        assert (await station.tick()).exceptions
        queue.clock.advance(1)
        await asyncio.gather(station.tick(), other.tick())
        assert not (await queue.folded()).exceptions
        [ended] = queue.log.bodies("exception.ended")
        assert (ended["id"], ended["cause"]) == (id, "expired")
        change = ended["change"]
        assert isinstance(change, dict)
        assert (change["user"], change["approval_id"]) == (ACTOR, "T-1")
        assert change["change_type"] == "exception.expire"

    play(scene)


def test_a_clock_that_steps_back_revives_no_exception() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await _granted(queue)
        queue.clock.advance(3_601)
        queue.log.failing = "disk full"
        await station.steward.tick()
        assert "disk full" in str(station.steward.problem)
        queue.log.failing = None
        queue.clock.wall_us -= 1_800_000_000
        queue.clock.boot_ns += 2_000_000_000
        assert not (await station.tick()).exceptions

    play(scene)


def test_what_fails_is_a_problem_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await queue.stage()

        async def broken(self: object, state: object) -> None:
            raise RuntimeError("no secret of this text is shown")

        monkeypatch.setattr(RolloutActs, "watch", broken)
        state = await station.tick()
        assert station.steward.problem == "watching the rollout: a defect: RuntimeError"
        assert stage_of(state, id) is Stage.TESTED

    play(scene)


def test_run_ticks_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(queue: Queue, station: Station) -> None:
        monkeypatch.setattr("gateway.changes.steward.LOOK_EVERY_SECONDS", 0.001)
        id = await queue.stage()
        assessed = asyncio.Event()
        station.assessor.done = assessed.set
        running = asyncio.create_task(station.steward.run())
        async with asyncio.timeout(10):
            await assessed.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert stage_of(station.state, id) is Stage.TESTED  # what was under way ended with it

    play(scene)


def _named(state: Governance, id: str, *losses: str) -> Approving:
    return Approving(bundle=str(state.changes[id].subject["bundle"]), losses=losses)
