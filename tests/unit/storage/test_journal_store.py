from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.audit.journal import JournalHeads
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Engine, StorageError, read_transaction, write_transaction
from gateway.storage.journal_store import JournalEntryRow, JournalRow, MarkedRow
from tests.fakes.sql_logs import open_engine

ROWS = [
    JournalRow(3, "change.staged"),
    JournalRow(5, "rollout.stepped"),
    JournalRow(8, "change.rejected"),
]


def marked(rows: list[JournalRow]) -> list[MarkedRow]:
    return [MarkedRow(row.seq, row.type, b"m%d" % row.seq) for row in rows]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    with write_transaction(made) as connection:
        journal_store.insert_journal(connection, "log", marked(ROWS))
        other = [JournalRow(9, "bundle.activated")]
        journal_store.insert_journal(connection, "other", marked(other))
        log_store.insert_entries(connection, "log", [log_store.EntryRow(5, b"e", b"h")])
        log_store.insert_entries(connection, "other", [log_store.EntryRow(3, b"o", b"h")])
    yield made
    made.dispose()


def test_rows_come_with_the_entries_of_their_own_log(engine: Engine) -> None:
    with read_transaction(engine) as connection:
        assert list(journal_store.read_journal(connection, "log", 4)) == [
            JournalEntryRow(5, "rollout.stepped", b"m5", b"e", b"h"),
            JournalEntryRow(8, "change.rejected", b"m8", None, None),
        ]
        assert journal_store.read_rows(connection, "log", 8) == ROWS[:2]
        row = MarkedRow(5, "rollout.stepped", b"m5")
        assert journal_store.read_row(connection, "log", 5) == row
        assert journal_store.read_row(connection, "log", 9) is None


def test_heads_are_the_newest_and_the_newest_that_serves(engine: Engine) -> None:
    with read_transaction(engine) as connection:
        assert journal_store.read_heads(connection, "log") == JournalHeads(8, 5)
        assert journal_store.read_heads(connection, "none") == JournalHeads(-1, -1)
        before = [journal_store.read_newest_before(connection, "log", at) for at in (0, 3, 4, 99)]
        assert before == [-1, -1, 3, 8]


def test_heads_walk_the_key_alone(engine: Engine) -> None:
    statements: list[str] = []

    def keep(
        _c: object, _cursor: object, statement: str, parameters: object, *_rest: object
    ) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", keep)
    with read_transaction(engine) as connection:
        journal_store.read_heads(connection, "log")
        (statement,) = statements
        marks = tuple("x" for _ in range(statement.count("?")))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", marks).all()
    steps = " ".join(str(row[3]) for row in plan)
    assert "SCAN journal" not in steps
    assert "TEMP B-TREE" not in steps


def test_a_place_has_one_row(engine: Engine) -> None:
    with (
        pytest.raises(StorageError, match="UNIQUE"),
        write_transaction(engine) as connection,
    ):
        journal_store.insert_journal(connection, "log", marked(ROWS[:1]))
