"""Reading a database as it lies: with a writer, without one, read-only, broken, foreign."""

import sqlite3
from pathlib import Path

import pytest

from gateway.transparency.errors import SourceError
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from tests.unit.transparency.logs import ORIGIN, LogFile


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "gateway.db").grow(30, seals=(10, 30))


def test_reads_rows_in_order(log: LogFile) -> None:
    with SqliteSource(log.path) as source:
        assert source.origin == ORIGIN
        assert source.estimate_entries() == 30
        rows = [row for batch in source.entries() for row in batch]
        assert [seq for seq, _, _ in rows] == list(range(30))
        assert rows[7][1:] == log.entry(7)
        assert [size for size, _, _ in source.checkpoints()] == [10, 30]
        assert [row[0] for batch in source.entries(28) for row in batch] == [28, 29]


def test_one_snapshot_while_the_gateway_writes(log: LogFile) -> None:
    log.run("PRAGMA journal_mode = WAL")
    log.grow(5)
    with SqliteSource(log.path) as source:
        log.grow(5, seals=(40,))
        assert sum(len(batch) for batch in source.entries()) == 35
        assert [size for size, _, _ in source.checkpoints()] == [10, 30]
    assert log.verify().entries == 40


def test_reads_after_the_gateway_stopped(log: LogFile) -> None:
    log.run("PRAGMA journal_mode = WAL")
    log.database.close()
    assert not log.path.with_name("gateway.db-wal").exists()
    assert log.verify().word is Word.UNANCHORED


def test_does_not_write(log: LogFile) -> None:
    before = log.path.read_bytes()
    assert log.verify().word is Word.UNANCHORED
    assert log.path.read_bytes() == before


def test_several_logs_must_be_told_apart(log: LogFile) -> None:
    log.run("INSERT INTO checkpoints VALUES ('another', 0, x'', '', x'')")
    with pytest.raises(SourceError, match=r"several logs.*--log.*'another', 'gateway"):
        SqliteSource(log.path)
    with SqliteSource(log.path, ORIGIN) as source:
        assert source.origin == ORIGIN
    with pytest.raises(SourceError, match="no log 'nowhere'"):
        SqliteSource(log.path, "nowhere")


def test_logs_named_by_no_text_are_passed_over(log: LogFile) -> None:
    log.run("INSERT INTO entries VALUES (x'ff', 0, x'', x''), (NULL, 0, x'', x'')")
    with SqliteSource(log.path) as source:
        assert source.origin == ORIGIN


def test_empty_tables_hold_no_log(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "gateway.db")
    with pytest.raises(SourceError, match="holds no log"):
        SqliteSource(log.path)


def test_foreign_database_is_named(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "other.db")
    database.execute("CREATE TABLE entries(id)")
    database.close()
    with pytest.raises(SourceError, match="not a gateway's: no such column"):
        SqliteSource(tmp_path / "other.db")


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + bytes(200)])
def test_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x ?#%.db"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"x \?#%\.db"):
        SqliteSource(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        SqliteSource(tmp_path / "none.db")
    with pytest.raises(SourceError, match="Is a directory"):
        SqliteSource(tmp_path)


def test_odd_file_names_work(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a ?b#c%20.db").grow(3, seals=(3,))
    assert log.verify().entries == 3


def test_torn_database_is_unverifiable_from_where_it_is_torn(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "gateway.db")
    log.run("BEGIN")
    log.grow(4000, seals=(500, 4000)).run("COMMIT")
    log.database.close()
    data = bytearray(log.path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 40 * 4096] = b"\xff" * (40 * 4096)
    log.path.write_bytes(data)
    verdict = log.verify()
    assert verdict.word is not Word.OK
    assert verdict.exit_code in (1, 2)
    assert verdict.proven_before is None or verdict.proven_before.last < 4000
