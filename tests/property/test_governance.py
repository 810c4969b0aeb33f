"""Whatever people and gateways do, in whatever order, however often a process dies: never two
bundles in force, never one without another person's approval, no step after a halt, no protection
lost without another person, no exception over 30 days; and the log alone gives the same state."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.changes.approvals import Approving
from gateway.changes.people import Person
from gateway.changes.scope import parse_exception, parse_protection
from gateway.changes.state import Governance, Stage
from tests.fakes.change_auditor import ChangeAuditor
from tests.fakes.changes import ANN, BOB, CY, Queue, act, archive_of, everywhere
from tests.fakes.interleaving import PEOPLE, Act, TwoProcesses, acts_of, fall_into

LOSS = "a@prod/eu X/1"
STEPS = [everywhere(200), everywhere()]
RULES = ("SOFT/1", "HARD/1")

NAMES = (
    "stage",
    "test",
    "assess",
    "approve",
    "reject",
    "start",
    "step",
    "halt",
    "activate",
    "rollback",
    "protect",
    "ask",
    "revoke",
    "expire",
    "crash",
    "wait",
)

acts = acts_of(NAMES)


class World(TwoProcesses[Queue]):
    """Every act of the lifecycle."""

    def __init__(self) -> None:
        first = Queue()
        super().__init__(first, Queue(first.clock, first.store))
        self.queues[1].restart()

    async def begin(self) -> None:
        await self.queues[0].begin()
        await self.queues[1].journal.refresh()

    async def verify(self) -> Governance:
        entries = await self.queues[0].log.journal()
        audited = ChangeAuditor().read(entries)
        state = await self.queues[0].folded()
        for queue in self.queues:
            assert await queue.journal.refresh() == state
        assert {one.id for one in state.protections} == audited.protections.keys()
        assert {one.id: one.expires_us for one in state.exceptions} == audited.exceptions
        assert state.active is not None
        assert state.active.bundle == audited.bundles[-1]
        assert (state.rollout.id if state.rollout else None) == audited.rolling
        return state

    async def _stage(self, queue: Queue, who: Person, number: int) -> object:
        return await queue.service.stage_bundle(who, archive_of(2 + number), "a rule")

    async def _test(self, queue: Queue, who: Person, number: int) -> object:
        return await queue.test(self.newest(queue, number % 4), passed=number < 6)

    async def _assess(self, queue: Queue, who: Person, number: int) -> object:
        losses = (LOSS,) if number >= 4 else ()
        return await queue.assess(self.newest(queue, number % 4), *losses)

    async def _approve(self, queue: Queue, who: Person, number: int) -> object:
        id = self.newest(queue, number)
        subject: Any = queue.state.changes[id].subject if id in queue.state.changes else {}
        assessed = queue.state.changes[id].assessment if id in queue.state.changes else None
        losses = assessed.losses if assessed is not None else ()
        said = Approving(str(subject.get("bundle", "")), losses)
        return await queue.service.approve(who, id, said, "it is right", "T-1")

    async def _reject(self, queue: Queue, who: Person, number: int) -> object:
        return await queue.service.reject(who, self.newest(queue, number), "it is wrong")

    async def _start(self, queue: Queue, who: Person, number: int) -> object:
        return await queue.step(self.newest(queue, number), 0, STEPS)

    async def _step(self, queue: Queue, who: Person, number: int) -> object:
        rollout = queue.state.rollout
        step = 1 if rollout is None else rollout.step + (2 if number == 7 else 1)
        id = rollout.id if rollout is not None else self.newest(queue, number)
        return await queue.step(id, step, STEPS)

    async def _halt(self, queue: Queue, who: Person, number: int) -> object:
        rollout = queue.state.rollout
        id = rollout.id if rollout is not None else self.newest(queue, number)
        body = {"id": id, "step": 0, "gate": {}, "failures": ["slow"], "change": act("halt")}
        return await queue.note("rollout.halted", **body)

    async def _activate(self, queue: Queue, who: Person, number: int) -> object:
        rollout = queue.state.rollout
        id = rollout.id if rollout is not None else self.newest(queue, number)
        if "bundle" not in (queue.state.changes[id].subject if id in queue.state.changes else {}):
            return None
        return await queue.activate(id)

    async def _rollback(self, queue: Queue, who: Person, number: int) -> object:
        accepted = queue.state.accepted
        to = "" if number < 4 else accepted[number % len(accepted)].revision
        return await queue.service.rollback(who, to, "it is wrong")

    async def _protect(self, queue: Queue, who: Person, number: int) -> object:
        wish = parse_protection("glob", f"ledger-{number % 3}", "an audit", "")
        return await queue.service.protect(who, wish)

    async def _ask(self, queue: Queue, who: Person, number: int) -> object:
        hours = (1, 24, 720)[number % 3]
        wish = parse_exception([RULES[number // 7]], "glob", "batch", "", "", hours, "full disks")
        return await queue.service.request_exception(who, wish)

    async def _revoke(self, queue: Queue, who: Person, number: int) -> object:
        live = [grant.id for grant in queue.state.exceptions]
        id = live[number % len(live)] if live else self.newest(queue, number)
        return await queue.service.revoke_exception(who, id, "no longer")

    async def _expire(self, queue: Queue, who: Person, number: int) -> object:
        state = await queue.journal.refresh()
        for grant in state.exceptions:
            if grant.expires_us <= queue.clock.now_us():
                body = {"id": grant.id, "cause": "expired", "change": act("exception.expire")}
                await queue.note("exception.ended", **body)
        return None

    async def _wait(self, queue: Queue, who: Person, number: int) -> object:
        queue.clock.advance(1800 * (1 + number))
        return None


def _run(plan: Sequence[Act], at_once: int = 1) -> World:
    """So many acts at a time run at the same time."""

    async def run() -> World:
        world = World()
        await world.begin()
        await world.play(plan, at_once)
        await world.verify()
        return world

    return asyncio.run(run())


@settings(
    max_examples=60, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(acts, min_size=10, max_size=60))
def test_no_order_of_acts_breaks_a_promise(plan: list[Act]) -> None:
    _run(plan, at_once=3)


# A good course of events, into which the random ones fall: so they meet rollouts, grants and
# rollbacks far along, which random acts alone seldom reach.
COURSE: list[Act] = [
    ("stage", ANN, 0, 0),
    ("test", ANN, 0, 1),
    ("assess", ANN, 0, 0),
    ("approve", BOB, 0, 1),
    ("start", ANN, 0, 0),
    ("step", ANN, 0, 0),
    ("activate", ANN, 0, 1),
    ("protect", ANN, 0, 0),
    ("approve", BOB, 0, 0),
    ("ask", ANN, 1, 0),
    ("approve", CY, 0, 1),
    ("rollback", ANN, 0, 0),
    ("assess", ANN, 0, 1),
    ("approve", CY, 0, 0),
    ("activate", ANN, 0, 0),
    ("revoke", ANN, 1, 1),
    ("stage", CY, 3, 0),
    ("test", ANN, 0, 1),
    ("assess", ANN, 4, 0),
    ("approve", BOB, 0, 1),
    ("start", ANN, 0, 0),
    ("rollback", ANN, 0, 1),
    ("reject", BOB, 0, 0),
]


@settings(
    max_examples=60, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(st.tuples(st.integers(0, len(COURSE)), acts), min_size=2, max_size=14))
def test_nothing_that_falls_into_a_good_course_breaks_a_promise(
    falling: list[tuple[int, Act]],
) -> None:
    _run(fall_into(COURSE, falling))


@pytest.mark.parametrize("name", NAMES)
def test_one_act_at_any_place_of_a_good_course_breaks_no_promise(name: str) -> None:
    for place in range(len(COURSE) + 1):
        _run([*COURSE[:place], (name, PEOPLE[place % 3], 0, place % 2), *COURSE[place:]])


def test_the_good_course_reaches_everything() -> None:
    """Else the tests above would prove little."""
    world = _run(COURSE)
    assert world.done == [name for name, *_ in COURSE]
    state = world.queues[0].state
    stages = [change.stage for change in state.changes.values()]
    assert stages.count(Stage.ACTIVE) == 3
    assert stages.count(Stage.ENDED) == 2  # the exception and the last rollout
