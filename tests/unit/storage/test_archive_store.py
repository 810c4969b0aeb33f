"""What archives take out of the database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from gateway.archive.archiver import Archiver
from gateway.archive.writing import ArchiveTerms
from gateway.clock import ManualClock
from gateway.storage import cosigned_store
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine, StorageError, write_transaction
from gateway.storage.tables import entries, journal
from tests.fakes.object_store import MemoryStore
from tests.fakes.sealed_log import ORIGIN, GrowingLog, store_log
from tests.fakes.sql_logs import open_engine

CLOCK = ManualClock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(tmp_path / "log.db")
    yield opened
    opened.dispose()


def stored(engine: Engine, *sizes: int) -> tuple[GrowingLog, SqlSealedLog]:
    log = GrowingLog()
    for size in sizes:
        log.grow(size - len(log.data)).seal()
    log.grow(2)
    store_log(engine, log)
    return log, SqlSealedLog(engine, ORIGIN)


def test_an_empty_log_has_nothing_signed(engine: Engine) -> None:
    sealed = SqlSealedLog(engine, ORIGIN)
    assert sealed.newest_size() == 0
    assert sealed.next_head(0, 10) is None
    status = Archiver(sealed, MemoryStore(), ArchiveTerms("", 7), CLOCK).run_once()
    assert (status.archived, status.problems) == (0, ())


def test_heads_are_found_as_the_port_says(engine: Engine) -> None:
    log, sealed = stored(engine, 4, 9, 30)
    assert sealed.newest_size() == 30
    assert sealed.head(9) == log.heads[9]
    assert sealed.head(10) is None
    for first, most in ((0, 8), (0, 9), (0, 3), (4, 5), (9, 10), (30, 5)):
        assert sealed.next_head(first, most) == log.next_head(first, most)
    assert sealed.keys() == log.keys()
    assert sealed.entries(3, 6) == log.data[3:6]


def test_cosigned_notes_go_before_larger_ones(engine: Engine) -> None:
    log, sealed = stored(engine, 4, 9, 30)
    note = log.heads[4].note + "\N{EM DASH} witness.example AAAA\n"
    with write_transaction(engine) as connection:
        cosigned_store.put_cosigned(connection, ORIGIN, 4, note)
    found = sealed.next_head(0, 20)
    assert found is not None
    assert (found.size, found.note) == (4, note)
    assert sealed.next_head(4, 20) == log.heads[9]


def test_the_archive_of_a_database_is_whole(engine: Engine) -> None:
    _, sealed = stored(engine, 4, 9, 30)
    store = MemoryStore()
    status = Archiver(sealed, store, ArchiveTerms("", 7, segment_entries=10), CLOCK).run_once()
    assert (status.archived, status.sealed, status.problems) == (30, 30, ())


def test_a_purged_log_begins_at_the_first_checkpoint_behind(engine: Engine) -> None:
    log = GrowingLog().grow(8).seal().grow(1).seal()
    log.grow(1, "entries.purged", {"first": 0, "last": 6}).seal()
    store_log(engine, log)
    with write_transaction(engine) as connection:
        connection.execute(
            journal.insert(), {"log": ORIGIN, "seq": 10, "type": "entries.purged", "mark": None}
        )
        connection.execute(delete(entries).where(entries.c.seq > 0, entries.c.seq < 7))
    sealed = SqlSealedLog(engine, ORIGIN)
    assert sealed.first_whole() == 9
    assert sealed.entries(5, 9) == []
    store = MemoryStore()
    assert Archiver(sealed, store, ArchiveTerms("", 7), CLOCK).run_once().problems == ()


def test_entry_0_that_is_none_is_said(engine: Engine) -> None:
    _, sealed = stored(engine, 4)
    with write_transaction(engine) as connection:
        connection.execute(entries.update().where(entries.c.seq == 0).values(bytes=b"{}"))
    with pytest.raises(StorageError, match="entry 0 of log"):
        sealed.keys()
