"""Deeds through their service and their doer: what is asked for, what is done, what travels with
the entry."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from gateway.archive.errors import ArchiveError
from gateway.audit.port import Removal
from gateway.changes.approvals import Approving
from gateway.changes.deed_port import DueEntries
from gateway.changes.journal import JournalDraft
from gateway.changes.state import Change, Stage
from gateway.errors import ChangeRefusedError, ConflictError, InputError
from tests.fakes.changes import ANN, BOB, CY, DAN, act
from tests.fakes.deeds import ABROAD, SPRING, SUMMER, DeedQueue, class_id, key_of, vkey
from tests.fakes.log import ACTOR

Story = Callable[[DeedQueue], Awaitable[None]]
PURGE: dict[str, Any] = {"what": "payloads", "month_keys": [key_of(SPRING)]}
RANGE = DueEntries(0, 1023, "2019-01", "2019-04")
HOLD = {"region": "", "retention_class": "", "from": "", "to": ""}


def play(story: Story) -> None:
    async def run() -> None:
        queue = DeedQueue()
        await queue.begin()
        queue.removals.classes = {
            class_id(number): (SPRING if number < 3 else SUMMER, {"process.owner": owner})
            for number, owner in enumerate(["alice", "bob", "alice", "alice"])
        }
        await story(queue)
        assert await queue.folded() == queue.state

    asyncio.run(run())


async def asked(queue: DeedQueue, kind: str, subject: Any) -> str:
    return str((await queue.deeds.ask(ANN, kind, subject, "it is time"))["id"])


async def approve(queue: DeedQueue, id: str) -> dict[str, Any]:
    return await queue.service.approve(BOB, id, Approving(), "it is right", "T-1")


async def approved(queue: DeedQueue, kind: str, subject: Any) -> str:
    id = await asked(queue, kind, subject)
    await approve(queue, id)
    return id


def test_a_purge_is_staged_approved_and_done_with_its_removal() -> None:
    async def story(queue: DeedQueue) -> None:
        view = await queue.deeds.ask(ANN, "purge", PURGE, "it is time")
        id = view["id"]
        assert view["title"] == "3 payloads of 2026-03 (1 month key)"
        assert view["waits_for"] == "an approver who is not ann"
        await queue.act()
        assert queue.log.removals == []
        with pytest.raises(ChangeRefusedError, match="somebody else"):
            await queue.service.approve(ANN, id, Approving(), "mine", "T-1")
        assert (await approve(queue, id))["waits_for"] == "the gateway: to do it"
        await queue.act()
        assert queue.log.removals == [Removal(month_keys=(key_of(SPRING),))]
        [body] = queue.log.bodies("payloads.purged")
        assert (body["id"], body["payloads"]) == (id, 3)
        change: Any = body["change"]
        assert (change["user"], change["approval_id"]) == (ACTOR, "T-1")
        await queue.act()
        assert len(queue.log.removals) == 1
        shown = await queue.service.show_change(id)
        assert shown is not None
        assert (shown["stage"], shown["deed"]["kept_by"]) == ("active", [])
        assert "2026-03  eu-west-1  standard" in shown["deed"]["does"]

    play(story)


def test_what_is_not_due_is_neither_asked_for_nor_done() -> None:
    async def story(queue: DeedQueue) -> None:
        with pytest.raises(ChangeRefusedError, match="not due"):
            await asked(queue, "purge", {**PURGE, "month_keys": [key_of(SUMMER)]})
        with pytest.raises(ChangeRefusedError, match="not due"):
            await asked(queue, "purge", {"what": "entries", "first": 0, "last": 255})
        id = await approved(queue, "purge", PURGE)
        queue.removals.months = [ABROAD]  # retention became longer meanwhile
        with pytest.raises(ChangeRefusedError, match=f"{id}: .* not due"):
            await queue.act()
        assert queue.log.removals == []

    play(story)


def test_entries_of_a_due_range_are_purged_with_their_months() -> None:
    async def story(queue: DeedQueue) -> None:
        queue.removals.entries = [RANGE]
        id = await approved(queue, "purge", {"what": "entries", "first": 0, "last": 511})
        subject = queue.state.changes[id].subject
        assert (subject["from"], subject["to"]) == ("2019-01", "2019-04")
        await queue.act()
        assert queue.log.removals == [Removal(first=0, last=511)]
        [body] = queue.log.bodies("entries.purged")
        assert (body["first"], body["last"], body["kept"]) == (0, 511, 3)

    play(story)


def test_entries_stay_where_the_archives_copy_is_damaged() -> None:
    async def story(queue: DeedQueue) -> None:
        queue.removals.entries = [RANGE]
        await approved(queue, "purge", {"what": "entries", "first": 0, "last": 511})
        queue.removals.damaged = "a segment is damaged"
        with pytest.raises(ArchiveError, match="damaged"):
            await queue.act()
        assert queue.log.removals == []
        queue.removals.damaged = None
        await queue.act()
        assert queue.log.removals == [Removal(first=0, last=511)]

    play(story)


def test_an_erasure_finds_its_classes_and_records_that_it_looked() -> None:
    async def story(queue: DeedQueue) -> None:
        found = await queue.deeds.match(ANN, {"process.owner": "alice"}, "DSR-7")
        classes = [one for one, _ in found["classes"]]
        assert classes == [class_id(0), class_id(2), class_id(3)]
        [opening] = queue.log.bodies("payload.opened")
        assert opening == {
            "classes": [class_id(number) for number in range(4)],
            "purpose": "erasure request DSR-7",
        }
        assert not any(b"alice" in entry for entry in queue.log.entries)
        await approved(queue, "erasure", {"classes": classes, "request": "DSR-7"})
        await queue.act()
        assert queue.log.removals == [Removal(class_ids=tuple(classes))]
        [body] = queue.log.bodies("payloads.erased")
        assert (body["classes"], body["request"]) == (classes, "DSR-7")

    play(story)


def test_nothing_is_opened_before_it_is_recorded() -> None:
    async def story(queue: DeedQueue) -> None:
        queue.log.failing = "disk full"
        with pytest.raises(Exception, match="disk full"):
            await queue.deeds.match(ANN, {"process.owner": "alice"}, "DSR-7")
        assert queue.removals.opened == []
        queue.log.failing = None

    play(story)


def test_an_erasure_of_classes_that_are_not_there_is_refused() -> None:
    async def story(queue: DeedQueue) -> None:
        with pytest.raises(ChangeRefusedError, match="no payload"):
            await asked(queue, "erasure", {"classes": [class_id(9)], "request": "DSR-7"})

    play(story)


def test_a_hold_placed_after_the_approval_keeps_until_its_release() -> None:
    async def story(queue: DeedQueue) -> None:
        id = await approved(queue, "purge", PURGE)
        hold = (await queue.deeds.place_hold(CY, HOLD, "a claim"))["id"]
        await queue.act()
        assert queue.log.removals == []
        shown = await queue.service.show_change(id)
        assert shown is not None
        assert shown["deed"]["kept_by"] == [hold]
        assert shown["waits_for"].startswith(f"the release of hold {hold}")
        [due, abroad] = (await queue.deeds.list_due())["months"]
        assert due["kept_by"] == abroad["kept_by"] == [hold]
        release = await approved(queue, "release", {"hold": hold})
        await queue.act()
        assert queue.state.changes[release].stage is Stage.ACTIVE
        assert (await queue.deeds.list_holds())["holds"] == []
        await queue.act()
        assert queue.log.removals == [Removal(month_keys=(key_of(SPRING),))]

    play(story)


def test_a_hold_that_comes_between_count_and_append_wins() -> None:
    async def story(queue: DeedQueue) -> None:
        await approved(queue, "purge", PURGE)
        seen = await queue.journal.refresh()
        await queue.deeds.place_hold(CY, HOLD, "a claim")
        await queue.doer.act(seen)
        assert queue.log.removals == []

    play(story)


def test_what_is_said_twice_happens_once() -> None:
    async def story(queue: DeedQueue) -> None:
        assert await asked(queue, "purge", PURGE) == await asked(queue, "purge", PURGE)
        with pytest.raises(ConflictError, match="asks for the same"):
            await queue.deeds.ask(DAN, "purge", PURGE, "me too")
        first = await queue.deeds.place_hold(CY, HOLD, "a claim")
        assert await queue.deeds.place_hold(CY, HOLD, "a claim") == first
        assert len(queue.state.holds) == 1

    play(story)


def test_two_gateways_do_a_deed_once() -> None:
    async def story(queue: DeedQueue) -> None:
        await approved(queue, "purge", PURGE)
        other = DeedQueue(queue.clock, queue.store)
        other.log, other.removals = queue.log, queue.removals
        other.restart()
        await asyncio.gather(queue.act(), other.act())
        assert len(queue.log.removals) == 1
        assert len(queue.log.bodies("payloads.purged")) == 1
        await queue.journal.refresh()

    play(story)


def test_one_deed_that_cannot_be_done_keeps_no_other_from_being_done() -> None:
    async def story(queue: DeedQueue) -> None:
        await approved(queue, "purge", PURGE)
        queue.removals.months = []
        await approved(queue, "erasure", {"classes": [class_id(1)], "request": "DSR-7"})
        with pytest.raises(ChangeRefusedError, match="not due"):
            await queue.act()
        assert queue.log.removals == [Removal(class_ids=(class_id(1),))]

    play(story)


class Handing:
    """Hands over, unless this gateway does not hold the new key."""

    def __init__(self, *, has_key: bool) -> None:
        self.has_key = has_key

    async def hand_over(self, change: Change) -> JournalDraft | None:
        if not self.has_key:
            return None
        body: Mapping[str, Any] = {**change.subject, "id": change.id, "change": act("key.do")}
        return JournalDraft("key.handed-over", lambda seq: body)


def test_a_key_is_handed_over_by_the_gateway_that_holds_the_new_one() -> None:
    async def story(queue: DeedQueue) -> None:
        old, new = vkey(), vkey()
        id = await approved(queue, "key", {"old": old, "new": new})
        await queue.act()
        shown = await queue.service.show_change(id)
        assert shown is not None
        assert shown["waits_for"] == "a gateway that has the new key"
        queue.handover = Handing(has_key=True)
        queue.restart()
        await queue.act()
        assert queue.state.keys[-1] == new

    play(story)


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("hold", {}),
        ("bundle", {}),
        ("purge", {}),
        ("purge", {"what": "all"}),
        ("purge", {"what": "payloads", "month_keys": "all"}),
        ("purge", {"what": "entries", "first": "0", "last": 255}),
        ("erasure", {"request": "DSR-7"}),
        ("release", {"hold": 1}),
        ("key", {"old": "x"}),
    ],
)
def test_a_subject_that_cannot_be_read_is_bad_input(kind: str, subject: Any) -> None:
    async def story(queue: DeedQueue) -> None:
        with pytest.raises((InputError, ChangeRefusedError)):
            await asked(queue, kind, subject)
        assert queue.state.changes == {}

    play(story)
