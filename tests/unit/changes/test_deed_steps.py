"""The fold of deeds and holds: entries that no service of ours would write, too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.changes.journal import Journal
from gateway.changes.people import Person
from gateway.changes.state import Stage
from gateway.errors import ChangeRefusedError
from tests.fakes.changes import ANN, BOB, CY, act, person
from tests.fakes.deeds import ABROAD, SPRING, SUMMER, DeedQueue, class_id, key_of, vkey

Story = Callable[[DeedQueue], Awaitable[None]]
MONTHS: dict[str, Any] = {"what": "payloads", "month_keys": [key_of(SPRING)], "payloads": 3}
ENTRIES: dict[str, Any] = {
    "what": "entries",
    "first": 256,
    "last": 767,
    "from": "2019-01",
    "to": "2019-02",
}
ERASED: dict[str, Any] = {
    "classes": [class_id(1), class_id(2)],
    "months": [key_of(SPRING)],
    "request": "DSR-7",
}
OLD, NEW, NEWER = vkey(), vkey(), vkey()
KEYS: dict[str, Any] = {"old": OLD, "new": NEW}
HOLD = {"region": "", "retention_class": "", "from": "", "to": ""}
SPRING_HOLD = {**HOLD, "region": "eu-west-1", "from": "2026-02", "to": "2026-03"}


def play(story: Story) -> None:
    async def run() -> None:
        queue = DeedQueue()
        await queue.begin()
        await story(queue)
        assert await queue.folded() == queue.state

    asyncio.run(run())


async def refused(queue: DeedQueue, why: str, type: str, **body: Any) -> None:
    before = await queue.journal.refresh()
    with pytest.raises(ChangeRefusedError, match=why):
        await queue.note(type, **body)
    assert await queue.journal.refresh() == before


def asked(kind: str, subject: Any, who: Person = ANN) -> dict[str, Any]:
    change = act(f"{kind}.request", who.uri)
    return {"kind": kind, "key": who.key, "change": change, "subject": subject}


def word(id: str, who: Person = BOB) -> dict[str, Any]:
    change = act("approve", who.uri)
    return {"id": id, "bundle": "", "losses_hash": "", "key": who.key, "change": change}


def placed(where: dict[str, str], who: Person = ANN) -> dict[str, Any]:
    return {**where, "key": who.key, "change": act("hold.place", who.uri)}


async def stage(queue: DeedQueue, kind: str, subject: Any, who: Person = ANN) -> str:
    return f"c{(await queue.note('change.staged', **asked(kind, subject, who))).journal}"


async def approved(queue: DeedQueue, kind: str, subject: Any) -> str:
    id = await stage(queue, kind, subject)
    await queue.note("change.approved", **word(id))
    return id


async def place(queue: DeedQueue, where: dict[str, str]) -> str:
    return f"c{(await queue.note('hold.placed', **placed(where))).journal}"


def purge(id: str, **more: Any) -> dict[str, Any]:
    said = {"id": id, "month_keys": [key_of(SPRING)], "payloads": 3, "change": act("do")}
    return {**said, **more}


DONE: list[tuple[str, dict[str, Any], str, dict[str, Any], dict[str, Any]]] = [
    ("purge", MONTHS, "payloads.purged", purge(""), {"month_keys": [key_of(ABROAD)]}),
    ("purge", MONTHS, "payloads.purged", purge(""), {"payloads": 4}),
    ("purge", ENTRIES, "entries.purged", {"first": 256, "last": 767}, {"first": 0}),
    (
        "erasure",
        ERASED,
        "payloads.erased",
        {"classes": ERASED["classes"], "request": "DSR-7"},
        {"classes": [class_id(1)]},
    ),
    ("key", KEYS, "key.handed-over", KEYS, {"new": NEWER}),
]


@pytest.mark.parametrize(("kind", "subject", "type", "said", "other"), DONE)
def test_a_deed_is_done_once_when_approved_and_exactly_as_asked(
    kind: str, subject: Any, type: str, said: dict[str, Any], other: dict[str, Any]
) -> None:
    async def story(queue: DeedQueue) -> None:
        id = await stage(queue, kind, subject)
        body = {**said, "id": id, "change": act("do")}
        await refused(queue, "is staged", type, **body)
        await refused(queue, "somebody else", "change.approved", **word(id, ANN))
        ann = person("approver", "ann", "another key")
        await refused(queue, "somebody else", "change.approved", **word(id, ann))
        eve = person("approver", "eve", "ann")  # with the author's key
        await refused(queue, "somebody else", "change.approved", **word(id, eve))
        await queue.note("change.approved", **word(id))
        await refused(queue, "about", type, **{**body, **other})
        await queue.note(type, **body)
        assert queue.state.changes[id].stage is Stage.ACTIVE
        await refused(queue, "is active", type, **body)

    play(story)


def test_one_deeds_approval_is_not_anothers() -> None:
    async def story(queue: DeedQueue) -> None:
        id = await approved(queue, "erasure", ERASED)
        await refused(queue, "something else", "payloads.purged", **purge(id))
        other = await approved(queue, "key", KEYS)
        await refused(
            queue, "something else", "hold.released", id=other, hold="c1", change=act("x")
        )

    play(story)


@pytest.mark.parametrize(
    ("kind", "subject", "type", "said"),
    [
        ("purge", MONTHS, "payloads.purged", purge("")),
        ("purge", {**ENTRIES, "to": "2026-02"}, "entries.purged", {"first": 256, "last": 767}),
        (
            "erasure",
            ERASED,
            "payloads.erased",
            {"classes": ERASED["classes"], "request": "DSR-7"},
        ),
    ],
)
def test_a_hold_keeps_at_each_step_until_two_people_release_it(
    kind: str, subject: Any, type: str, said: dict[str, Any]
) -> None:
    async def story(queue: DeedQueue) -> None:
        id = await stage(queue, kind, subject)
        hold = await place(queue, SPRING_HOLD)
        await refused(queue, f"hold {hold} keeps it", "change.approved", **word(id))
        release = await approved(queue, "release", {"hold": hold})
        await queue.note("hold.released", id=release, hold=hold, change=act("do"))
        assert queue.state.holds == ()
        assert queue.state.changes[hold].stage is Stage.ENDED
        await queue.note("change.approved", **word(id))
        again = await place(queue, SPRING_HOLD)
        body = {**said, "id": id, "change": act("do")}
        await refused(queue, f"hold {again} keeps it", type, **body)
        await refused(queue, f"hold {again} keeps", "change.staged", **asked(kind, subject))
        await queue.note("change.rejected", id=id, key=BOB.key, change=act("no", BOB.uri))
        await refused(queue, "is rejected", type, **body)

    play(story)


@pytest.mark.parametrize(
    ("where", "is_kept"),
    [
        (HOLD, True),
        ({**HOLD, "region": "eu-west-1"}, True),
        ({**HOLD, "region": "us-east-1"}, False),
        ({**HOLD, "retention_class": "pci"}, False),
        ({**HOLD, "retention_class": "standard", "from": "2026-03"}, True),
        ({**HOLD, "from": "2026-04"}, False),
        ({**HOLD, "to": "2026-02"}, False),
        ({**HOLD, "to": "2026-03"}, True),
        ({**HOLD, "from": "2025-12", "to": "2026-12"}, True),
    ],
)
def test_a_hold_covers_its_region_class_and_months_inclusive(
    where: dict[str, str], is_kept: bool
) -> None:
    async def story(queue: DeedQueue) -> None:
        await place(queue, where)
        if is_kept:
            await refused(queue, "keeps it", "change.staged", **asked("purge", MONTHS))
        else:
            await queue.note("change.staged", **asked("purge", MONTHS))

    play(story)


def test_entries_are_of_every_region_so_a_hold_of_one_keeps_them() -> None:
    async def story(queue: DeedQueue) -> None:
        await place(queue, {**HOLD, "region": "eu-west-1", "from": "2019-02", "to": "2019-02"})
        await refused(queue, "keeps it", "change.staged", **asked("purge", ENTRIES))
        early = {**ENTRIES, "to": "2019-01"}
        await queue.note("change.staged", **asked("purge", early))

    play(story)


@pytest.mark.parametrize(
    "where",
    [
        {**HOLD, "from": "2026-13"},
        {**HOLD, "from": "March"},
        {**HOLD, "from": "2026-04", "to": "2026-03"},
    ],
)
def test_a_hold_of_no_months_is_refused(where: dict[str, str]) -> None:
    play(lambda queue: refused(queue, "hold", "hold.placed", **placed(where)))


@pytest.mark.parametrize(
    ("kind", "subject", "why"),
    [
        ("purge", {**MONTHS, "month_keys": []}, "from 1 to 200"),
        ("purge", {**MONTHS, "month_keys": [key_of(SPRING)] * 2}, "twice"),
        ("purge", {**MONTHS, "month_keys": ["example.org/log"]}, "no month key"),
        ("purge", {**MONTHS, "also": 1}, "exactly"),
        ("purge", {**MONTHS, "what": "all"}, "agreed form"),
        ("purge", {**ENTRIES, "first": 1}, "256"),
        ("purge", {**ENTRIES, "last": 768}, "256"),
        ("purge", {**ENTRIES, "first": 768, "last": 767}, "256"),
        ("purge", {**ENTRIES, "from": "2019-03"}, "months"),
        ("purge", {**ENTRIES, "first": True}, "agreed form"),
        ("erasure", {**ERASED, "classes": ["alice"]}, "48 hex"),
        ("erasure", {**ERASED, "request": " "}, "request"),
        ("erasure", {**ERASED, "months": []}, "from 1"),
        ("release", {"hold": "c1"}, "no live hold"),
        ("key", {"old": OLD, "new": OLD}, "the old one"),
        ("key", {"old": OLD, "new": vkey("other.example/log")}, "named as the log"),
        ("key", {"old": OLD, "new": "a key"}, "key"),
        ("hold", HOLD, "holds at once"),
    ],
)
def test_what_may_not_be_asked_for_is_refused(kind: str, subject: Any, why: str) -> None:
    play(lambda queue: refused(queue, why, "change.staged", **asked(kind, subject)))


def test_nothing_is_asked_for_twice_or_purged_twice() -> None:
    async def story(queue: DeedQueue) -> None:
        id = await approved(queue, "purge", MONTHS)
        both = {**MONTHS, "month_keys": [key_of(SUMMER), key_of(SPRING)]}
        await refused(queue, f"{id} asks for it already", "change.staged", **asked("purge", both))
        await queue.note("payloads.purged", **purge(id))
        await refused(queue, "purged already", "change.staged", **asked("purge", both))
        entries = await approved(queue, "purge", ENTRIES)
        over = {**ENTRIES, "first": 512, "last": 1023}
        await refused(queue, "asks for it already", "change.staged", **asked("purge", over))
        await queue.note("entries.purged", id=entries, first=256, last=767, change=act("do"))
        await refused(queue, "purged already", "change.staged", **asked("purge", over))
        await queue.note("change.staged", **asked("purge", {**ENTRIES, "first": 768, "last": 1023}))
        assert queue.state.purged_months == {key_of(SPRING)}
        assert queue.state.purged_entries == ((256, 767),)

    play(story)


def test_the_log_has_one_newest_key_and_none_comes_back() -> None:
    async def story(queue: DeedQueue) -> None:
        id = await approved(queue, "key", KEYS)
        await refused(
            queue, "asks for it", "change.staged", **asked("key", {"old": OLD, "new": NEWER})
        )
        await queue.note("key.handed-over", id=id, change=act("do"), **KEYS)
        assert queue.state.keys[-1] == NEW
        await refused(queue, "newest", "change.staged", **asked("key", {"old": OLD, "new": NEWER}))
        await refused(queue, "before", "change.staged", **asked("key", {"old": NEW, "new": OLD}))
        second = await approved(queue, "key", {"old": NEW, "new": NEWER})
        body = {"old": NEW, "new": NEWER, "id": second, "change": act("do")}
        await queue.note("key.handed-over", **body)
        assert queue.state.keys == (OLD, NEW, NEWER)

    play(story)


def test_a_hand_over_is_asked_for_from_the_key_that_the_log_was_opened_with() -> None:
    async def story(queue: DeedQueue) -> None:
        queue.restart(Journal(queue.log, queue.clock, first_key=OLD))
        wrong = asked("key", {"old": NEWER, "new": NEW})
        await refused(queue, "newest", "change.staged", **wrong)
        await approved(queue, "key", KEYS)

    play(story)


def test_a_log_with_a_hand_over_from_a_wrong_key_is_read_all_the_same() -> None:
    async def story(queue: DeedQueue) -> None:
        id = await approved(queue, "key", KEYS)
        queue.restart(Journal(queue.log, queue.clock, first_key=NEWER))
        assert (await queue.journal.refresh()).changes[id].stage is Stage.APPROVED
        await refused(queue, "newest", "key.handed-over", id=id, change=act("do"), **KEYS)

    play(story)


def test_no_deed_changes_the_activation_number() -> None:
    async def story(queue: DeedQueue) -> None:
        before = queue.state.activation
        await queue.note("payloads.purged", **purge(await approved(queue, "purge", MONTHS)))
        await place(queue, HOLD)
        assert queue.state.activation == before

    play(story)


def test_what_is_approved_is_not_approved_again() -> None:
    async def story(queue: DeedQueue) -> None:
        id = await approved(queue, "purge", MONTHS)
        await refused(queue, "is approved", "change.approved", **word(id, CY))

    play(story)
