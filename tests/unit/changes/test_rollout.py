import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.changes.plan import RolloutPlan
from gateway.changes.rollout import PATIENCE_US
from gateway.changes.state import Governance, Stage
from gateway.decisions.lanes import Step
from tests.fakes.changes import ANN, BOB, CY, Queue
from tests.fakes.log import ACTOR
from tests.fakes.stewards import PLAN, Station

Scene = Callable[[Queue, Station], Awaitable[None]]
LOSS = "card-vault@production/eu-west-1 PCI-DSS-4.0.1/10.2.1"
DWELL = PLAN.dwell_seconds


def play(scene: Scene, plan: RolloutPlan = PLAN) -> None:
    """A log with a bundle in force and one steward."""

    async def run() -> None:
        queue = Queue()
        await queue.begin()
        await scene(queue, Station(queue, plan))

    asyncio.run(run())


async def approved(queue: Queue, station: Station, version: int = 2, *losses: str) -> str:
    """A bundle that waits for its rollout."""
    id = await queue.stage(version)
    station.assessor.losses = losses
    await station.tick(2)
    await queue.journal.refresh()
    await queue.approve(id, losses=losses)
    return id


def step_of(state: Governance) -> int:
    assert state.rollout is not None
    return state.rollout.step


def test_an_approved_bundle_goes_step_by_step_and_comes_into_force() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await approved(queue, station)
        assert step_of(await station.tick()) == 0
        station.see(5)
        queue.clock.advance(DWELL)
        assert step_of(await station.tick()) == 1
        station.see(7)
        queue.clock.advance(DWELL)
        state = await station.tick()
        assert state.rollout is None
        assert state.active is not None
        assert (state.active.version, state.changes[id].stage) == (2, Stage.ACTIVE)
        assert station.steward.problem is None

        first, second = queue.log.bodies("rollout.stepped")
        assert first["gate"] is None
        assert first["steps"] == [
            {"environment": "*", "region": "*", "share_permille": share} for share in (200, 1000)
        ]
        assert second["gate"] == {
            "environment": "*",
            "evaluated": 5,
            "failures": 0,
            "is_thin": False,
            "latency_ratio_permille": 1000,
            "less": 0,
            "log_healthy": True,
            "more": 0,
            "never_filter_loss": 0,
            "region": "*",
            "seconds": DWELL,
            "share_permille": 200,
        }
        activated: Any = queue.log.bodies("bundle.activated")[-1]
        assert activated["gate"]["evaluated"] == 7
        assert activated["floor_note"] == ""
        assert activated["change"] == {
            "approval_id": "T-1",
            "change_type": "bundle.activate",
            "justification": "it is right",
            "new_value": f"{state.active.revision} floor ",
            "previous_value": f"{state.accepted[0].revision} floor ",
            "user": ACTOR,
        }

    play(scene)


def test_the_steps_are_those_of_the_plan_it_began_under() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        state = await station.tick()
        assert state.rollout is not None
        assert state.rollout.steps[0] == Step("production", "*", 200)
        other = Station(
            queue, replace(PLAN, environments=("dev", "test"))
        )  # started anew under another configuration
        await other.tick()
        other.see()
        queue.clock.advance(DWELL)
        state = await other.tick()
        assert state.rollout is not None
        assert (step_of(state), state.rollout.steps[1]) == (1, Step("production", "*", 1000))

    play(scene, RolloutPlan(("production",), dwell_seconds=DWELL, min_evaluated=2))


def test_nothing_begins_before_the_engine_is_ready() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await approved(queue, station)
        station.is_ready = False
        assert (await station.tick()).rollout is None
        assert _problem(station) is None
        queue.clock.advance(PATIENCE_US / 1_000_000 + 1)
        await station.tick()
        problem = f"the engine for {id} has not been ready since approval"
        assert _problem(station) == f"advancing the rollout: {problem}"
        station.is_ready = True
        queue.clock.advance(1)
        assert step_of(await station.tick()) == 0

    play(scene)


def test_a_step_never_holds_for_less_than_its_time() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(1_000)
        queue.clock.advance(DWELL - 0.001)
        assert step_of(await station.tick()) == 0
        queue.clock.wall_us -= 60_000_000  # and a clock that steps back makes it longer
        queue.clock.advance(30)
        assert step_of(await station.tick()) == 0
        queue.clock.advance(31)
        assert step_of(await station.tick()) == 1

    play(scene)


def test_a_process_counts_no_time_in_which_it_did_not_look() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        queue.clock.advance(10 * DWELL)  # nobody was up
        other = Station(queue)
        assert step_of(await other.tick()) == 0
        queue.clock.advance(3 * DWELL - 0.001)
        assert step_of(await other.tick()) == 0
        queue.clock.advance(0.001)
        assert step_of(await other.tick()) == 1

    play(scene)


def test_a_wall_clock_that_jumps_ahead_shortens_no_step() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        queue.clock.wall_us += 3_600_000_000
        assert step_of(await station.tick()) == 0

    play(scene)


def test_where_few_are_seen_a_step_holds_three_times_as_long() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(1)
        queue.clock.advance(3 * DWELL - 1)
        assert step_of(await station.tick()) == 0
        queue.clock.advance(1)
        assert step_of(await station.tick()) == 1
        gate: Any = queue.log.bodies("rollout.stepped")[-1]["gate"]
        assert (gate["is_thin"], gate["evaluated"]) == (True, 1)

    play(scene)


def test_a_place_without_traffic_is_judged_by_what_was_seen_elsewhere() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(10, 10)  # in production, and all of it failed
        queue.clock.advance(2 * DWELL)
        assert not _halted(await station.tick())  # the step is in dev
        queue.clock.advance(DWELL)
        assert _halted(await station.tick())

    play(scene, RolloutPlan(("dev", "production"), dwell_seconds=DWELL, min_evaluated=2))


def _problem(station: Station) -> str | None:
    return station.steward.problem


def _halted(state: Governance) -> bool:
    assert state.rollout is not None
    return state.rollout.is_halted


def test_a_loss_halts_at_once() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await approved(queue, station)
        await station.tick()
        station.see(1, 0, "card-vault")
        state = await station.tick()
        assert _halted(state)
        assert state.changes[id].stage is Stage.HALTED
        [halt] = queue.log.bodies("rollout.halted")
        assert halt["failures"] == [f"never-filter loss: the approval does not list {LOSS}"]
        change: Any = halt["change"]
        assert (change["approval_id"], change["user"]) == ("T-1", ACTOR)
        assert state.active is not None
        assert state.active.version == 1

    play(scene)


def test_a_log_that_stays_ill_halts_and_one_that_heals_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(10)
        queue.clock.advance(DWELL)
        ill: list[str | None] = ["entry 7 does not hold"]
        monkeypatch.setattr(queue.log, "health", lambda: ill[0])
        state = await station.tick()
        assert (step_of(state), _halted(state)) == (0, False)
        assert "the rollout waits for the log: entry 7" in str(_problem(station))
        ill[0] = None
        queue.clock.advance(9)
        assert step_of(await station.tick()) == 1
        assert _problem(station) is None
        ill[0] = "entry 7 does not hold"
        await station.tick()
        queue.clock.advance(10)
        assert _halted(await station.tick())
        [halt] = queue.log.bodies("rollout.halted")
        assert halt["failures"] == ["audit trail: entry 7 does not hold"]

    play(scene)


def test_nothing_follows_a_halt_but_a_persons_word() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await approved(queue, station)
        await station.tick()
        station.see(10, 0, "card-vault")
        await station.tick()
        queue.clock.advance(100 * DWELL)
        later = await approved(queue, station, 3)
        state = await station.tick(3)
        assert _halted(state)
        assert len(queue.log.bodies("rollout.stepped")) == 1
        await queue.service.reject(CY, id, "it was too much")
        state = await station.tick()
        assert state.rollout is not None
        assert state.rollout.id == later

    play(scene)


def test_a_loss_that_the_approval_lists_goes_on() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station, 2, LOSS)
        await station.tick()
        station.see(10, 0, "card-vault")
        queue.clock.advance(DWELL)
        assert step_of(await station.tick()) == 1
        station.see(10, 0, "card-vault", "card-proxy")
        assert _halted(await station.tick())

    play(scene)


def test_losses_that_only_the_report_lists_are_listed() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        names = [f"a{number}" for number in range(250)]
        await approved(queue, station, 2, *names, LOSS)
        state = await station.tick()
        change = state.changes[state.rollout.id if state.rollout else ""]
        assert change.assessment is not None
        assert LOSS not in change.assessment.losses
        station.see(10, 0, "card-vault")
        assert not _halted(await station.tick())

    play(scene)


def test_failures_halt_once_enough_was_seen() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(1, 1)
        assert not _halted(await station.tick())
        station.see(1, 0)
        assert _halted(await station.tick())

    play(scene)


def test_the_bundles_own_rules_halt_it() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(10)
        station.validation.found = ["evaluated: 10 are too few for us"]
        queue.clock.advance(DWELL)
        state = await station.tick()
        assert _halted(state)
        assert state.rollout is not None
        assert state.rollout.failures == ("evaluated: 10 are too few for us",)
        [asked] = station.validation.asked
        assert asked["evaluated"] == 10

    play(scene)


def test_rules_that_miss_traffic_wait_for_it() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        id = await approved(queue, station)
        await station.tick()
        station.validation.found = ["evaluated: 0 are too few"]
        queue.clock.advance(3 * DWELL)
        state = await station.tick()
        assert not _halted(state)
        assert step_of(state) == 0
        assert f"{id} waits for traffic: evaluated: 0 are too few" in str(station.steward.problem)

    play(scene)


def test_a_loss_while_the_rules_are_asked_halts_it() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(10)
        station.validation.meanwhile = lambda: station.see(1, 0, "card-vault")
        queue.clock.advance(DWELL)
        assert _halted(await station.tick())

    play(scene)


def test_a_process_that_does_not_serve_the_step_does_nothing() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await approved(queue, station)
        await station.tick()
        station.see(10, 0, "card-vault")
        station.hold = "what is in force is being made ready"
        queue.clock.advance(10 * DWELL)
        state = await station.tick()
        assert (step_of(state), _halted(state)) == (0, False)
        station.hold, station.behind = None, 1  # it serves, but not yet this step
        state = await station.tick()
        assert (step_of(state), _halted(state)) == (0, False)

    play(scene)


def test_of_two_stewards_one_steps_and_neither_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(queue: Queue, station: Station) -> None:
        other = Station(queue)
        append = queue.log.append

        async def slow(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)  # the other decides on the same state meanwhile
            return await append(*args, **kwargs)

        monkeypatch.setattr(queue.log, "append", slow)
        await approved(queue, station)
        await asyncio.gather(station.tick(), other.tick())
        assert (_problem(station), _problem(other)) == (None, None)  # to be second is no failure
        for one in (station, other):
            await one.journal.refresh()
            one.see(10)
        queue.clock.advance(DWELL)
        await asyncio.gather(station.tick(), other.tick())
        assert [body["step"] for body in queue.log.bodies("rollout.stepped")] == [0, 1]
        assert (_problem(station), _problem(other)) == (None, None)

    play(scene)


def test_the_lower_of_two_approved_versions_goes_first_and_an_older_one_never() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        station.is_ready = False
        third = await approved(queue, station, 3)
        second = await approved(queue, station, 2)
        station.is_ready = True
        state = await station.tick()
        assert state.rollout is not None
        assert state.rollout.id == second
        await queue.journal.refresh()
        await queue.service.reject(CY, second, "not this one")
        state = await station.tick()
        assert state.rollout is not None
        assert state.rollout.id == third

    play(scene)


def test_an_approved_rollback_comes_into_force_at_once() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await queue.bring_in_force(2)
        id = str((await queue.service.rollback(ANN, "", "it was wrong"))["id"])
        state = await station.tick(3)
        assert state.active is not None
        assert state.active.version == 2  # nobody has approved it
        await queue.journal.refresh()
        await queue.approve(id)
        state = await station.tick()
        assert state.active is not None
        assert (state.active.version, state.changes[id].stage) == (1, Stage.ACTIVE)
        change: Any = queue.log.bodies("bundle.activated")[-1]["change"]
        assert (change["change_type"], change["approval_id"]) == ("bundle.rollback", "T-1")

    play(scene)


def test_a_rollback_gives_up_nothing_that_nobody_approved_to_lose() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await queue.bring_in_force(2)
        id = str((await queue.service.rollback(ANN, "", "it was wrong"))["id"])
        await station.tick()
        await queue.journal.refresh()
        await queue.approve(id)
        station.see(1, 0, "card-vault")  # seen since it was assessed
        state = await station.tick()
        assert _halted(state)
        assert state.active is not None
        assert state.active.version == 2

    play(scene)


def test_a_rollback_is_the_way_out_where_nothing_can_be_served() -> None:
    async def scene(queue: Queue, station: Station) -> None:
        await queue.bring_in_force(2)
        id = str((await queue.service.rollback(ANN, "", "it does not start"))["id"])
        await station.tick()
        await queue.journal.refresh()
        await queue.approve(id, BOB)
        station.hold = "OPA was not healthy within 20 s"
        state = await station.tick()
        assert state.rollout is not None
        queue.clock.advance(PATIENCE_US / 1_000_000)
        state = await station.tick()
        assert state.active is not None
        assert state.active.version == 1

    play(scene)
