"""A journal entry and its row stand or fall together, whatever write fails; a journal that was
changed by hand is found, and the entry named."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit import groups, journal
from gateway.audit.errors import LogBrokenError, MovedError
from gateway.audit.journal import JournalHeads
from gateway.audit.port import Draft
from gateway.audit.sql_log import SqlLog
from gateway.canonical import Value
from gateway.errors import LogUnavailableError
from gateway.storage.engine import Engine
from gateway.storage.schema import migrate
from gateway.transparency.entry import encode_entry, leaf_hash, parse_entry
from tests.fakes.failing_sql import copy_as_killed, failing, tampering
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import (
    journal_rows,
    note,
    open_engine,
    open_log,
    payload,
    record,
    stored_entries,
    verify,
)

WRITES = (
    "BEGIN IMMEDIATE",
    "INSERT INTO entries",
    "INSERT INTO journal",
    "INSERT INTO payloads",
    "COMMIT",
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db", busy_timeout_seconds=0.2)
    yield made
    made.dispose()


def assert_rows_are_the_entries(engine: Engine) -> None:
    parsed = [parse_entry(data) for data in stored_entries(engine)]
    linked = [(entry.seq, entry.type) for entry in parsed if "prior" in entry.body]
    assert journal_rows(engine) == linked
    assert verify(engine).exit_code in (0, 3)


@pytest.mark.parametrize("write", WRITES)
def test_a_journal_append_that_fails_leaves_neither_entry_nor_row(
    engine: Engine, write: str
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([record("bundle.activated", None)], after=-1)
        with failing(engine, write) as hits:
            with pytest.raises(LogUnavailableError):
                await log.append([record("change.staged", 1)], [payload("1" * 48)], after=1)
            assert hits
        assert_rows_are_the_entries(engine)
        assert journal_rows(engine) == [(1, "bundle.activated")]
        assert await log.heads() == JournalHeads(1, 1)
        await log.append([note("no policy came")], fence=1)
        await log.append([record("change.staged", 1)], after=1)  # nobody is ahead of it
        await log.aclose()
        assert_rows_are_the_entries(engine)

    asyncio.run(main())


def test_a_journal_append_that_failed_but_persisted_is_seen_by_the_next(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        with failing(engine, "COMMIT", persisted=True), pytest.raises(LogUnavailableError):
            await log.append([record("bundle.activated", None)], after=-1)
        assert await log.heads() == JournalHeads(1, 1)
        with pytest.raises(MovedError) as caught:
            await log.append([record("bundle.activated", None)], after=-1)
        assert (caught.value.journal, caught.value.activation) == (1, 1)
        with pytest.raises(MovedError):
            await log.append([note("decided under nothing")], fence=-1)
        await log.append([record("change.staged", 1)], after=1)
        await log.aclose()
        assert_rows_are_the_entries(engine)

    asyncio.run(main())


def test_a_refused_group_commits_what_is_beside_it_and_survives_a_failed_write(
    engine: Engine,
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([record("bundle.activated", None)], after=-1)
        with failing(engine, "INSERT INTO entries"):
            outcomes = await asyncio.gather(
                log.append([record("rollout.stepped", 1)], after=1),
                log.append([note("a")], fence=1),
                return_exceptions=True,
            )
            assert all(isinstance(outcome, LogUnavailableError) for outcome in outcomes)
        await log.append([note("b")], fence=1)  # the step did not persist: the fence stays
        await log.aclose()
        assert_rows_are_the_entries(engine)

    asyncio.run(main())


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "unsealed"])
def test_a_kill_after_the_answer_keeps_the_journal(
    engine: Engine, tmp_path: Path, sealed: bool
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([record("bundle.activated", None)], after=-1)
        await log.append([record("change.staged", 1), note("x")], after=1)
        if sealed:
            await log.aclose()
            log = await open_log(engine)
        copy = open_engine(copy_as_killed(tmp_path / "log.db", tmp_path / "killed.db"))
        await log.aclose()
        again = await open_log(copy)
        assert await again.heads() == JournalHeads(2, 1)
        assert [entry.seq for entry in await again.journal()] == [1, 2]
        with pytest.raises(MovedError):
            await again.append([record("change.staged", 1)], after=1)
        await again.append([record("change.tested", 2)], after=2, fence=1)
        await again.aclose()
        assert_rows_are_the_entries(copy)
        copy.dispose()

    asyncio.run(main())


async def write_journal(engine: Engine) -> SqlLog:
    """Entries 1, 3, 4 are the journal; 3 and what follows is not sealed."""
    log = await open_log(engine)
    await log.append([record("bundle.activated", None), note("x")], after=-1)
    await log.aclose()
    log = await open_log(engine)
    await log.append([record("change.staged", 1)], after=1)
    await log.append([record("rollout.stepped", 3), note("y")], after=3)
    return log


INSERT = "INSERT INTO journal (log, seq, type) VALUES ('example.org/log'"
TAMPERS = {
    "DELETE FROM journal WHERE seq = 1": "entry 3 .* before it is entry 1, which is none",
    "DELETE FROM journal WHERE seq = 3": "entry 4 .* before it is entry 3, which is entry 1",
    "DELETE FROM journal WHERE seq = 4": "entry 4 .* no such journal row",
    "DELETE FROM journal": "entry 1 .* no such journal row",
    "UPDATE journal SET type = 'change.staged' WHERE seq = 4": "entry 4 .* it is rollout.stepped",
    "UPDATE journal SET type = 'change.blessed' WHERE seq = 4": "entry 4 .* this gateway lacks",
    f"{INSERT}, 2, 'change.staged')": "entry 2 .* it is test",
    f"{INSERT}, 9, 'change.staged')": "entry 9 .* missing",
    f"{INSERT}, 'x', 'change.staged')": "entry x .* missing",
    "UPDATE entries SET bytes = CAST(replace(bytes, '\"x\"', '\"z\"') AS BLOB), "
    "leaf_hash = zeroblob(32) WHERE seq = 1": "entry 1 ",
}


@pytest.mark.parametrize("statement", TAMPERS)
def test_a_start_refuses_a_journal_that_does_not_hold(
    engine: Engine, tmp_path: Path, statement: str
) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        copy = open_engine(copy_as_killed(tmp_path / "log.db", tmp_path / "copy.db"))
        await log.aclose()
        await (await open_log(engine)).aclose()  # it holds until somebody changes it
        with tampering(copy) as execute:
            execute(statement)
        with pytest.raises(LogBrokenError, match=TAMPERS[statement]):
            await open_log(copy)
        copy.dispose()

    asyncio.run(main())


@pytest.mark.parametrize("statement", [each for each in TAMPERS if "entries" not in each])
def test_reading_a_journal_changed_while_open_says_so(engine: Engine, statement: str) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        with tampering(engine) as execute:
            execute(statement)
        with pytest.raises(LogBrokenError, match="entry"):
            await log.journal()
        await log.aclose()

    asyncio.run(main())


def test_an_entry_whose_bytes_were_changed_is_not_given(engine: Engine) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        with tampering(engine) as execute:
            execute(
                'UPDATE entries SET bytes = CAST(replace(bytes, \'"note":""\', '
                '\'"note":"!"\') AS BLOB) WHERE seq = 3'
            )
        with pytest.raises(LogBrokenError, match=r"entry 3 .* leaf hash"):
            await log.journal()
        assert [entry.seq for entry in await log.journal(4)] == [4]
        await log.aclose()

    asyncio.run(main())


def test_a_head_that_is_gone_is_not_answered_with_an_older_one(engine: Engine) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        with tampering(engine) as execute:
            execute("UPDATE journal SET type = 'change.staged' WHERE seq = 4")
        with pytest.raises(LogBrokenError, match="entry 4"):
            await log.heads()
        with tampering(engine) as execute:
            execute("DELETE FROM journal WHERE seq = 4")
        with pytest.raises(LogBrokenError, match="entry 4"):
            await log.heads()
        with pytest.raises(LogBrokenError, match="entry 4"):
            await log.journal(4)
        assert await log.journal(5) == []
        await log.aclose()

    asyncio.run(main())


def test_another_processs_journal_entry_without_its_row_stops_the_log(engine: Engine) -> None:
    async def main() -> None:
        log, other = await write_journal(engine), await open_log(engine)
        await other.append([record("bundle.activated", 4)], after=4)
        with tampering(engine) as execute:
            execute("DELETE FROM journal WHERE seq = 6")
        with pytest.raises(LogBrokenError, match="entry 6"):
            await log.append([note("under what?")])
        assert "entry 6" in (log.health() or "")
        await asyncio.gather(log.aclose(), other.aclose())

    asyncio.run(main())


@pytest.mark.parametrize("entries_after", [0, 3, 300])
def test_a_signed_journal_entry_that_was_rewritten_with_its_hash_is_not_given(
    engine: Engine, entries_after: int
) -> None:
    async def main() -> None:
        await (await write_journal(engine)).aclose()
        log = await open_log(engine)
        await log.append([note(f"{number}") for number in range(entries_after + 300)])
        await log.aclose()
        log = await open_log(engine)  # open: it knows the newest seqs, and not the old bytes
        rewrite(engine, 3, b'"note":""', b'"note":"!"')
        with pytest.raises(LogBrokenError, match=r"entry 3 .* not the one that was signed"):
            await log.journal()
        await log.aclose()
        with pytest.raises(LogBrokenError, match=r"entry 3 .* not the one that was signed"):
            await open_log(engine)

    asyncio.run(main())


def test_a_journal_entry_that_a_hand_appended_is_neither_given_nor_signed(
    engine: Engine, tmp_path: Path
) -> None:
    async def main() -> None:
        log = await write_journal(engine)  # its newest journal entry is 4
        append_by_hand(engine, "change.approved", {"prior": 4})
        with pytest.raises(LogBrokenError, match=r"entry 6 .* nobody who holds the log's key"):
            await log.journal()
        before = log.checkpoint()
        with pytest.raises(LogBrokenError, match=r"entry 6 .* nobody who holds the log's key"):
            await log.append([note("under what?")])
        await log.aclose()
        assert log.checkpoint() == before
        with pytest.raises(LogBrokenError, match=r"entry 6 .* nobody who holds the log's key"):
            await open_log(engine)

    asyncio.run(main())


def append_by_hand(engine: Engine, type: str, body: dict[str, Value]) -> None:
    """An entry with its row that holds by every hash, and a mark of another journal entry's."""
    stored = stored_entries(engine)
    prev = leaf_hash(stored[-1])
    now_us = parse_entry(stored[-1]).time_us
    encoded = canonical.encode(body)
    data = encode_entry(ORIGIN, len(stored), prev, now_us, type, ACTOR, encoded)
    leaf = leaf_hash(data).hex()
    with tampering(engine) as execute:
        execute(
            f"INSERT INTO entries VALUES ('{ORIGIN}', {len(stored)}, x'{data.hex()}', x'{leaf}')"
        )
        execute(
            f"INSERT INTO journal SELECT log, {len(stored)}, '{type}', mark FROM journal "
            "WHERE seq = 4"
        )


def rewrite(engine: Engine, seq: int, old: bytes, new: bytes) -> None:
    """Change an entry's bytes and the hash beside them, as somebody who knows the schema would."""
    data = stored_entries(engine)[seq]
    forged = data.replace(old, new)
    assert forged != data
    with tampering(engine) as execute:
        execute(
            f"UPDATE entries SET bytes = x'{forged.hex()}', "
            f"leaf_hash = x'{leaf_hash(forged).hex()}' WHERE seq = {seq}"
        )


BACKGROUND = {
    "DELETE FROM journal WHERE seq = 4": "entry 4 is rollout.stepped and its journal row is",
    "DELETE FROM journal WHERE seq > 1": "entry 3 is change.staged and its journal row is missing",
}


@pytest.mark.parametrize("statement", BACKGROUND)
def test_background_verification_finds_a_sealed_row_that_was_deleted(
    engine: Engine, statement: str
) -> None:
    async def main() -> None:
        await (await write_journal(engine)).aclose()
        with tampering(engine) as execute:
            execute(statement)
        log = await open_log(engine)  # all is sealed: nothing after it betrays the last row
        log.verify_in_background().join()
        assert BACKGROUND[statement] in (log.health() or "")
        await log.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            f"{INSERT}, 2, 'change.staged')",
            "entry 2 has a",
        ),
        ("UPDATE journal SET type = 'change.staged' WHERE seq = 4", "entry 4 is rollout.stepped"),
        ("DELETE FROM journal WHERE seq = 1", "entry 1 is bundle.activated"),
    ],
)
def test_background_verification_reads_the_rows_at_its_end(
    engine: Engine, statement: str, problem: str
) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        with tampering(engine) as execute:
            execute(statement)
        log.verify_in_background().join()
        assert problem in (log.health() or "")
        await log.aclose()

    asyncio.run(main())


def test_background_verification_finds_an_entry_that_follows_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        with monkeypatch.context() as patched:  # a writer that does not check
            patched.setattr(journal, "_verify_prior", lambda _body, _newest: None)
            await log.append([record("change.staged", 3)], after=4)
        log.verify_in_background().join()
        assert "ournal entry 6 (change.staged) does not name" in (log.health() or "")
        await log.aclose()
        with pytest.raises(LogBrokenError, match="entry 6"):
            await open_log(engine)

    asyncio.run(main())


def test_an_empty_index_of_a_log_with_a_journal_is_seen_at_the_start(engine: Engine) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        await log.aclose()
        with tampering(engine) as execute:
            execute("DELETE FROM journal")
        with pytest.raises(LogBrokenError, match="no such journal row"):
            await open_log(engine)

    asyncio.run(main())


def test_a_log_from_before_the_journal_goes_on_with_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with monkeypatch.context() as patched:  # as gateways wrote that knew no journal
            patched.setattr(groups, "JOURNAL_TYPES", frozenset())
            log = await open_log(engine)
            old = Draft("bundle.activated", ACTOR, b'{"activation":1}')
            await log.append([old, note("x"), old])
            await log.aclose()
        with tampering(engine) as execute:
            for later in ("journal", "cosigned", "timestamps"):
                execute(f"DROP TABLE {later}")
            execute("CREATE TABLE activations (log TEXT)")  # as 0001 had one
            execute("UPDATE alembic_version SET version_num = '0001'")
        migrate(engine)
        log = await open_log(engine)
        assert await log.heads() == JournalHeads(3, 3)
        await log.append([record("change.staged", 3)], after=3, fence=3)
        assert [entry.seq for entry in await log.journal()] == [1, 3, 4]
        await log.aclose()
        log = await open_log(engine)
        log.verify_in_background().join()
        assert log.health() is None
        await log.aclose()

    asyncio.run(main())


def test_background_verification_passes_a_journal_that_holds(engine: Engine) -> None:
    async def main() -> None:
        log = await write_journal(engine)
        log.verify_in_background().join()
        assert log.health() is None
        await log.aclose()

    asyncio.run(main())
