"""What every Log does, over the database and the fake."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit.errors import EntryRefusedError
from gateway.audit.port import Draft, Log
from gateway.errors import LogUnavailableError
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.notes import Verifier
from tests.fakes.log import ACTOR, ORIGIN, MemoryLog
from tests.fakes.open_logs import LOGS, OpenLog, ReadAll, log_opener, run
from tests.fakes.sql_logs import SIGNER, note, payload


@pytest.fixture(params=LOGS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLog:
    return log_opener(request.param, tmp_path)


def test_a_new_log_begins_with_its_key(opened: OpenLog) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        first = parse_entry(read_all()[0])
        assert (first.origin, first.seq, first.type) == (ORIGIN, 0, "log.opened")
        assert first.body == {"checkpoint_key": SIGNER.vkey}
        assert log.origin == ORIGIN
        assert log.health() is None

    run(opened, body)


def test_an_appended_group_is_gapless_chained_and_readable(opened: OpenLog) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        places = await log.append([note("a"), note("b"), note("c")])
        stored = read_all()
        assert [place.seq for place in places] == [1, 2, 3]
        assert [leaf_hash(data) for data in stored[1:]] == [place.leaf_hash for place in places]
        for before, data in pairwise(stored):
            assert parse_entry(data).prev == leaf_hash(before)

    run(opened, body)


def test_a_body_may_cite_the_first_place_of_its_group(opened: OpenLog) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        await log.append([note("before")])
        cite = Draft("test.cite", ACTOR, lambda first: canonical.encode({"first": first}))
        places = await log.append([note("a"), cite])
        assert parse_entry(read_all()[places[1].seq]).body == {"first": places[0].seq}

    run(opened, body)


def test_concurrent_groups_never_mix(opened: OpenLog) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        groups = await asyncio.gather(
            *(log.append([note(f"{name}-{part}") for part in range(3)]) for name in range(50))
        )
        stored = [parse_entry(data) for data in read_all()]
        for name, places in enumerate(groups):
            assert [place.seq - places[0].seq for place in places] == [0, 1, 2]
            texts = [stored[place.seq].body["note"] for place in places]
            assert texts == [f"{name}-{part}" for part in range(3)]
        assert len(stored) == 151

    run(opened, body)


def test_a_group_with_an_entry_too_large_fails_alone_and_takes_no_place(opened: OpenLog) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        good, bad, after = await asyncio.gather(
            log.append([note("good")]),
            log.append([note("half"), note("x" * 70_000)], [payload("1" * 48)]),
            log.append([note("after")]),
            return_exceptions=True,
        )
        assert isinstance(bad, EntryRefusedError)
        assert isinstance(good, list)
        assert isinstance(after, list)
        stored = [parse_entry(data) for data in read_all()]
        assert [entry.seq for entry in stored] == list(range(len(stored)))
        notes = [entry.body["note"] for entry in stored if entry.type == "test.note"]
        assert notes == ["good", "after"]
        await log.append([note("again")], [payload("1" * 48)])  # its payload was not stored
        assert log.health() is None

    run(opened, body)


def test_a_class_id_is_used_once(opened: OpenLog) -> None:
    async def body(log: Log, read_all: ReadAll) -> None:
        await log.append([note("a")], [payload("1" * 48)])
        size = len(read_all())
        with pytest.raises(EntryRefusedError, match="new salt"):
            await log.append([note("b")], [payload("1" * 48)])
        with pytest.raises(EntryRefusedError, match="new salt"):
            await log.append([note("b")], [payload("2" * 48), payload("2" * 48)])
        assert len(read_all()) == size

    run(opened, body)


def test_checkpoints_are_signed_by_the_logs_key(opened: OpenLog) -> None:
    async def body(log: Log, _read_all: ReadAll) -> None:
        note = log.checkpoint()
        assert note is not None
        assert open_checkpoint(note, Verifier.from_vkey(SIGNER.vkey)).size == 1

    run(opened, body)


def test_a_failing_memory_log_says_so_and_keeps_nothing() -> None:
    log = MemoryLog()
    log.failing = "disk full"
    with pytest.raises(LogUnavailableError, match="disk full"):
        asyncio.run(log.append([note("lost")]))
    assert log.health() == "disk full"
    assert len(log.entries) == 1
