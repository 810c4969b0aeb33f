"""However people and gateways interleave, however often a process dies: nothing is removed without
two different persons, nothing twice, nothing but what was approved, and nothing under a hold."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.changes.approvals import Approving
from gateway.changes.deed_port import DueEntries
from gateway.changes.people import Person
from gateway.changes.state import Kind, Stage
from tests.fakes.change_auditor import ChangeAuditor
from tests.fakes.changes import ANN, BOB, CY, act
from tests.fakes.deeds import ABROAD, SPRING, SUMMER, DeedQueue, class_id, key_of, vkey
from tests.fakes.interleaving import Act, TwoProcesses, acts_of, fall_into

MONTHS = (SPRING, ABROAD, SUMMER)
HOLDS = (
    {"region": "", "retention_class": "", "from": "", "to": ""},
    {"region": "eu-west-1", "retention_class": "", "from": "2026-03", "to": "2026-03"},
    {"region": "", "retention_class": "pci", "from": "", "to": ""},
    {"region": "", "retention_class": "", "from": "2019-02", "to": "2026-02"},
)
KEYS = [vkey() for _ in range(3)]
NAMES = ("purge", "cut", "erase", "hand", "hold", "release", "approve", "reject", "do", "forge")
acts = acts_of((*NAMES, "crash"))


class World(TwoProcesses[DeedQueue]):
    """Both processes do deeds; `forge` writes a deed as no service of ours would."""

    def __init__(self) -> None:
        first = DeedQueue()
        super().__init__(first, DeedQueue(first.clock, first.store))
        removals = self.queues[0].removals
        removals.months = list(MONTHS)
        removals.entries = [DueEntries(0, 1023, "2019-01", "2019-03")]
        removals.classes = {class_id(at): (MONTHS[at % 3], {}) for at in range(9)}
        self.queues[1].removals = removals
        self.queues[1].restart()

    async def verify(self) -> None:
        log = self.queues[0].log
        audited = ChangeAuditor().read(await log.journal())
        state = await self.queues[0].folded()
        assert {hold.id for hold in state.holds} == audited.holds.keys()
        assert state.purged_months == {name for name in audited.removed if "/" in name}
        kinds = ("payloads.purged", "payloads.erased", "entries.purged")
        entries = sum(len(log.bodies(kind)) for kind in kinds)
        assert len(log.removals) <= entries, "something was removed without its entry"

    async def _ask(self, queue: DeedQueue, who: Person, kind: str, subject: Any) -> object:
        return await queue.deeds.ask(who, kind, subject, "it is time")

    async def _purge(self, queue: DeedQueue, who: Person, number: int) -> object:
        months = [MONTHS[number % 3]] if number < 6 else MONTHS[:2]
        keys = [key_of(month) for month in months]
        return await self._ask(queue, who, "purge", {"what": "payloads", "month_keys": keys})

    async def _cut(self, queue: DeedQueue, who: Person, number: int) -> object:
        first = 256 * (number % 3)
        subject = {"what": "entries", "first": first, "last": first + 511}
        return await self._ask(queue, who, "purge", subject)

    async def _erase(self, queue: DeedQueue, who: Person, number: int) -> object:
        subject = {"classes": [class_id(number), class_id(number + 1)], "request": "DSR-7"}
        return await self._ask(queue, who, "erasure", subject)

    async def _hand(self, queue: DeedQueue, who: Person, number: int) -> object:
        subject = {"old": KEYS[number % 3], "new": KEYS[(number + 1) % 3]}
        return await self._ask(queue, who, "key", subject)

    async def _hold(self, queue: DeedQueue, who: Person, number: int) -> object:
        return await queue.deeds.place_hold(who, HOLDS[number % 4], "a claim")

    async def _release(self, queue: DeedQueue, who: Person, number: int) -> object:
        live = [hold.id for hold in queue.state.holds] or ["c999"]
        return await self._ask(queue, who, "release", {"hold": live[number % len(live)]})

    async def _approve(self, queue: DeedQueue, who: Person, number: int) -> object:
        return await queue.service.approve(
            who, self.newest(queue, number), Approving(), "yes", "T-1"
        )

    async def _reject(self, queue: DeedQueue, who: Person, number: int) -> object:
        return await queue.service.reject(who, self.newest(queue, number), "no")

    async def _do(self, queue: DeedQueue, who: Person, number: int) -> object:
        await queue.act()
        return None

    async def _forge(self, queue: DeedQueue, who: Person, number: int) -> object:
        """The entry of a deed, whatever its change says and however far it is."""
        change = queue.state.changes.get(self.newest(queue, number))
        id = "c999" if change is None else change.id
        subject: Any = {} if change is None else change.subject
        more = {name: subject[name] for name in ("classes", "request", "hold") if name in subject}
        if "month_keys" in subject:
            more = {"month_keys": [*subject["month_keys"]], "payloads": 0}
        if "first" in subject:
            more = {"first": subject["first"], "last": subject["last"]}
        types = {
            Kind.PURGE: "entries.purged" if "first" in subject else "payloads.purged",
            Kind.ERASURE: "payloads.erased",
            Kind.RELEASE: "hold.released",
        }
        kind = None if change is None else change.kind
        type = types.get(kind, "payloads.purged") if kind is not None else "payloads.purged"
        return await queue.note(type, id=id, change=act("do", who.uri), **more)


def _run(plan: Sequence[Act], at_once: int = 1) -> World:
    async def run() -> World:
        world = World()
        await world.play(plan, at_once)
        await world.verify()
        return world

    return asyncio.run(run())


@settings(
    max_examples=60, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(acts, min_size=10, max_size=60))
def test_no_order_of_acts_removes_what_it_may_not(plan: list[Act]) -> None:
    _run(plan, at_once=3)


# A course in which everything is reached, into which the random acts fall.
COURSE: list[Act] = [
    ("purge", ANN, 0, 0),
    ("approve", BOB, 0, 1),
    ("do", ANN, 0, 1),
    ("hold", CY, 1, 0),
    ("release", ANN, 0, 1),
    ("approve", BOB, 0, 0),
    ("do", ANN, 0, 0),
    ("erase", ANN, 0, 0),
    ("approve", CY, 0, 1),
    ("do", ANN, 0, 0),
    ("cut", ANN, 0, 0),
    ("approve", CY, 0, 1),
    ("do", ANN, 0, 1),
    ("hand", ANN, 0, 0),
    ("approve", BOB, 0, 0),
    ("reject", CY, 0, 0),
]


@settings(
    max_examples=40, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(st.tuples(st.integers(0, len(COURSE)), acts), min_size=2, max_size=14))
def test_nothing_that_falls_into_a_good_course_removes_what_it_may_not(
    falling: list[tuple[int, Act]],
) -> None:
    _run(fall_into(COURSE, falling))


@pytest.mark.parametrize("name", ["do", "forge", "approve"])
def test_a_hold_at_any_place_of_a_good_course_keeps(name: str) -> None:
    for place in range(len(COURSE) + 1):
        both: list[Act] = [("hold", CY, 0, 0), (name, BOB, 0, 1), (name, BOB, 1, 0)]
        _run([*COURSE[:place], *both, *COURSE[place:]])


def test_the_good_course_reaches_everything() -> None:
    """Else the tests above would prove little."""
    world = _run(COURSE)
    assert world.done == [name for name, *_ in COURSE]
    assert len(world.queues[0].log.removals) == 3
    stages = [change.stage for change in world.queues[0].state.changes.values()]
    assert stages.count(Stage.ACTIVE) == 4
