"""What every Log does with the journal: compare-and-append, over the database and the fake."""

import asyncio
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit.errors import EntryRefusedError, MovedError
from gateway.audit.journal import JournalHeads
from gateway.audit.port import Draft, Log, Removal
from gateway.audit.turns import HANDED_OVER
from gateway.errors import LogUnavailableError
from gateway.storage.engine import Engine
from gateway.transparency.entry import parse_entry
from gateway.transparency.journal_types import JOURNAL_TYPES, SERVING_TYPES
from tests.fakes.log import ACTOR
from tests.fakes.open_logs import (
    LOGS,
    STORES,
    OpenLog,
    ReadAll,
    log_opener,
    new_store,
    run,
)
from tests.fakes.sql_logs import (
    journal_rows,
    note,
    open_log,
    payload,
    record,
)


@pytest.fixture(params=LOGS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLog:
    return log_opener(request.param, tmp_path)


async def refuse_moved(
    log: Log, drafts: list[Draft], after: int | None = None, fence: int | None = None
) -> JournalHeads:
    """The heads that the refusal names."""
    with pytest.raises(MovedError) as caught:
        await log.append(drafts, after=after, fence=fence)
    assert not isinstance(caught.value, LogUnavailableError)
    return JournalHeads(caught.value.journal, caught.value.activation)


def test_a_journal_begins_empty_and_grows_by_who_has_seen_its_newest(opened: OpenLog) -> None:
    async def body(log: Log, _read_all: ReadAll) -> None:
        assert await log.heads() == JournalHeads(-1, -1)
        assert await log.journal() == []
        await log.append([record("change.staged", None)], after=-1)
        await log.append([note("between")], after=1)
        await log.append([record("rollout.stepped", 1)], after=1)
        await log.append([record("change.rejected", 3), note("with it")], after=3)
        assert await log.heads() == JournalHeads(4, 3)
        found = await log.journal()
        assert [(entry.seq, entry.type) for entry in found] == [
            (1, "change.staged"),
            (3, "rollout.stepped"),
            (4, "change.rejected"),
        ]
        assert [entry.body["prior"] for entry in found] == [None, 1, 3]
        assert await log.journal(2) == found[1:]
        assert await log.journal(4) == found[2:]
        assert await log.journal(5) == []

    run(opened, body)


def test_a_group_may_hold_several_journal_entries(opened: OpenLog) -> None:
    def approved(first: int) -> bytes:
        return canonical.encode({"prior": first})

    async def body(log: Log, _read_all: ReadAll) -> None:
        group = [record("change.staged", None), Draft("change.approved", ACTOR, approved)]
        await log.append([*group, note("x"), record("bundle.activated", 2)], after=-1)
        assert await log.heads() == JournalHeads(4, 4)
        assert [entry.seq for entry in await log.journal()] == [1, 2, 4]

    run(opened, body)


@pytest.mark.parametrize("after", [-1, 0, 2, 3])
def test_who_has_not_seen_the_newest_journal_entry_is_refused(opened: OpenLog, after: int) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        await log.append([record("protection.added", None), note("later")], after=-1)
        size = len(read_all())
        prior = None if after < 0 else after
        assert await refuse_moved(log, [record("change.staged", prior)], after) == (1, 1)
        assert await refuse_moved(log, [note("a")], after) == (1, 1)
        assert len(read_all()) == size
        assert log.health() is None
        await log.append([record("change.staged", 1)], after=1)
        assert await refuse_moved(log, [record("change.staged", 1)], 1) == (3, 1)

    run(opened, body)


ERASED = Removal(class_ids=("1" * 48,))


def erasing(prior: int) -> Draft:
    """The entry of that removal."""
    body: dict[str, canonical.Value] = {"classes": [*ERASED.class_ids], "request": "R-1"}
    body["prior"] = None if prior < 0 else prior
    return Draft("payloads.erased", ACTOR, canonical.encode(body))


def test_a_removal_stands_or_falls_with_its_entry(opened: OpenLog) -> None:
    async def is_there(log: Log) -> bool:
        """Whether the payload stands: its class id may not be used again then."""
        try:
            await log.append([note("again")], [payload("1" * 48)])
        except EntryRefusedError:
            return True
        return False

    async def body(log: Log, read_all: ReadAll) -> None:
        await log.append([note("a")], [payload("1" * 48)])
        await log.append([record("change.staged", None)], after=-1)
        newest = (await log.heads()).journal
        with pytest.raises(MovedError):
            await log.append([erasing(newest)], after=-1, removal=ERASED)
        with pytest.raises(EntryRefusedError):
            await log.append([erasing(7)], after=newest, removal=ERASED)
        assert await is_there(log)
        size = len(read_all())
        await log.append([erasing(newest)], after=newest, removal=ERASED)
        assert len(read_all()) == size + 1
        assert not await is_there(log)
        assert log.health() is None

    run(opened, body)


def test_what_is_gone_already_is_no_error(opened: OpenLog) -> None:
    async def body(log: Log, _read_all: ReadAll) -> None:
        await log.append([erasing(-1)], after=-1, removal=ERASED)
        assert log.health() is None

    run(opened, body)


@pytest.mark.parametrize("type", sorted(JOURNAL_TYPES - {HANDED_OVER}))  # it has a test of its own
def test_a_decision_is_fenced_by_what_serves_and_by_nothing_else(
    opened: OpenLog, type: str
) -> None:
    async def body(log: Log, _read_all: ReadAll) -> None:
        await log.append([note("before the first")], [payload("1" * 48)], fence=-1)
        (first,) = await log.append([record("bundle.activated", None)], after=-1)
        await log.append([note("a")], [payload("2" * 48)], fence=first.seq)
        (moved,) = await log.append([record(type, first.seq)], after=first.seq)
        if type in SERVING_TYPES:
            heads = (moved.seq, moved.seq)
            assert await refuse_moved(log, [note("stale")], fence=first.seq) == heads
            assert await refuse_moved(log, [note("from nowhere")], fence=-1) == heads
            await log.append([note("b")], fence=moved.seq)
        else:
            await log.append([note("b")], fence=first.seq)

    run(opened, body)


ODD_BODIES = {
    "prior absent": b"{}",
    "no prior at a first": b'{"prior":0}',
    "true": b'{"prior":true}',
    "text": b'{"prior":"1"}',
    "null": b'{"prior":null}',
    "later": b'{"prior":7}',
    "not canonical": b'{"prior": 1}',
    "twice": b'{"prior":2,"prior":1}',
    "a float": b'{"prior":1.0}',
}


@pytest.mark.parametrize("kind", ["change.approved", "bundle.activated"])
@pytest.mark.parametrize("name", ODD_BODIES)
def test_a_journal_entry_that_does_not_name_the_one_before_it_is_refused(
    opened: OpenLog, name: str, kind: str
) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        await log.append([record("change.staged", None)], after=-1)
        bad = Draft(kind, ACTOR, ODD_BODIES[name])
        with pytest.raises(EntryRefusedError):
            await log.append([record("change.tested", 1), bad], after=1)
        assert len(read_all()) == 2
        assert await log.heads() == JournalHeads(1, -1)  # the good half did not move them
        with pytest.raises(EntryRefusedError):
            await log.append([bad], after=1)
        await log.append([record("change.tested", 1)], after=1)

    run(opened, body)


@pytest.mark.parametrize("type", sorted(JOURNAL_TYPES))
def test_a_journal_entry_needs_to_say_what_its_writer_has_seen(opened: OpenLog, type: str) -> None:
    async def body(log: Log, _read_all: ReadAll) -> None:
        with pytest.raises(EntryRefusedError, match="comes after"):
            await log.append([record(type, None)])
        assert await log.heads() == JournalHeads(-1, -1)

    run(opened, body)


def test_of_groups_that_wait_together_the_first_wins_and_the_others_are_refused_alone(
    opened: OpenLog,
) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        await log.append([note("its key is made")], [payload("0" * 48)])
        (start,) = await log.append([note("counted from here")])
        won = start.seq + 2
        outcomes = await asyncio.gather(
            log.append([note("a")], fence=-1),
            log.append([record("bundle.activated", None)], after=-1),
            log.append([record("protection.added", None)], [payload("1" * 48)], after=-1),
            log.append([note("stale")], [payload("2" * 48)], fence=-1),
            log.append([record("change.staged", won)], after=won),
            log.append([note("fresh")], fence=won),
            return_exceptions=True,
        )
        refused = [isinstance(outcome, MovedError) for outcome in outcomes]
        assert refused == [False, False, True, True, False, False]
        types = [parse_entry(data).type for data in read_all()[start.seq + 1 :]]
        assert types == ["test.note", "bundle.activated", "change.staged", "test.note"]
        await log.append([note("payloads")], [payload("1" * 48), payload("2" * 48)])

    run(opened, body)


@pytest.mark.parametrize("store", STORES)
def test_two_logs_on_one_database_see_each_others_journal(store: str, tmp_path: Path) -> None:
    async def main(engine: Engine) -> None:
        a, b = await open_log(engine), await open_log(engine)
        await a.append([record("bundle.activated", None)], after=-1)
        assert await b.heads() == JournalHeads(1, 1)
        assert await b.journal() == await a.journal()
        assert await refuse_moved(b, [record("bundle.activated", None)], after=-1) == (1, 1)
        await b.append([record("change.staged", 1)], after=1)
        await a.append([note("still the same policy")], fence=1)
        assert await refuse_moved(a, [record("change.staged", 1)], after=1) == (2, 1)
        await b.append([record("rollout.stepped", 2)], after=2)
        assert await refuse_moved(a, [note("stale")], fence=1) == (4, 4)
        await a.append([note("fresh")], fence=4)
        assert journal_rows(engine) == [
            (1, "bundle.activated"),
            (2, "change.staged"),
            (4, "rollout.stepped"),
        ]
        await asyncio.gather(a.aclose(), b.aclose())

    with new_store(store, tmp_path) as engine:
        asyncio.run(main(engine))
