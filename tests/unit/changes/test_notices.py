"""Whom a change waits for, told when it begins to wait and not again."""

import asyncio

from gateway.changes.journal import Journal
from gateway.changes.notices import HALTED, WAITS, Notice, notices_between
from gateway.changes.scope import parse_exception, parse_protection
from gateway.changes.state import Governance
from tests.fakes.changes import ANN, BOB, Queue, everywhere


def test_people_are_told_when_something_begins_to_wait_for_them() -> None:
    told: list[Notice] = []

    def tell(before: Governance, after: Governance) -> None:
        told.extend(notices_between(before, after))

    def news() -> list[tuple[str, str, str]]:
        found = [(one.type, one.id, one.waits_for) for one in told]
        told.clear()
        return found

    async def story() -> None:
        queue = Queue()
        queue.restart(Journal(queue.log, queue.clock, tell=tell))
        await queue.begin()
        id = await queue.stage()
        await queue.test(id)
        assert news() == []
        await queue.assess(id)
        assert news() == [(WAITS, id, "an approver who is not ann")]
        await queue.approve(id)
        await queue.step(id, 0, [everywhere()])
        assert news() == []
        await queue.service.rollback(ANN, "", "errors")
        assert news() == [(HALTED, id, "an approver who is not ann to end it with reject")]
        await queue.service.reject(BOB, id, "no")
        assert news() == []
        wish = parse_protection("glob", "ledger-*", "an audit", "")
        row = str((await queue.service.protect(ANN, wish))["id"])
        assert news() == [(WAITS, row, "an approver who is not ann (it holds already)")]
        lift = parse_exception(["SOFT/1"], "glob", "batch-*", "", "", 2, "full disks")
        asked = str((await queue.service.request_exception(ANN, lift))["id"])
        assert news() == [(WAITS, asked, "an approver who is not ann")]

    asyncio.run(story())


def test_a_rollback_waits_for_people_when_its_impact_is_known() -> None:
    async def story() -> None:
        queue = Queue()
        await queue.begin()
        await queue.bring_in_force(2)
        before = queue.state
        id = str((await queue.service.rollback(ANN, "", "it is wrong"))["id"])
        assert notices_between(before, queue.state) == []
        before = queue.state
        await queue.assess(id)
        [notice] = notices_between(before, queue.state)
        assert (notice.type, notice.waits_for) == (WAITS, "an approver who is not ann")
        assert notice.title.startswith("rollback: back to 1-")

    asyncio.run(story())
