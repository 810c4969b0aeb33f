"""Migrations up and down on every store: what stands is kept, or the way back is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from gateway.errors import ConfigError
from gateway.storage import journal_store, log_store, payload_store
from gateway.storage.engine import Engine, read_transaction, write_transaction
from gateway.storage.journal_store import MarkedRow
from gateway.storage.log_store import CheckpointRow, CountRow, EntryRow, TileRow
from gateway.storage.payload_store import MonthKeyRow, PayloadRow
from gateway.storage.schema import migrate, migrate_back, newest_version
from gateway.storage.tables import metadata
from tests.fakes.open_logs import STORES, new_store

VERSIONS = ("0005", "0004", "0003", "0002", "0001")
LEAF = bytes(range(32))
ACTIVATED = b'{"body":{},"type":"bundle.activated","v":1}'
Contents = dict[str, list[tuple[object, ...]]]


@pytest.fixture(params=STORES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with new_store(request.param, tmp_path) as made:
        yield made


def fill(engine: Engine) -> None:
    """Something of everything that every version has a place for."""
    with write_transaction(engine) as connection:
        entries = [EntryRow(0, b"\x00\xff", LEAF), EntryRow(1, ACTIVATED, LEAF)]
        log_store.insert_entries(connection, "log", entries)
        log_store.insert_checkpoint(connection, "log", CheckpointRow(2, LEAF, "\u2014 n", LEAF))
        log_store.upsert_tiles(connection, "log", [TileRow(0, 0, LEAF)])
        log_store.add_counts(connection, "log", [CountRow("2026-11-25", 1, 0, 7)], 2)
        journal_store.insert_journal(connection, "log", [MarkedRow(1, "bundle.activated", None)])
        month = MonthKeyRow("log/r/c/2026-11", "r", "c", "2026-11", LEAF)
        payload_store.insert_month_keys(connection, [month])
        payload = PayloadRow("1" * 48, "2026-11", "r", "c", LEAF, month.id, LEAF)
        payload_store.insert_payloads(connection, "log", [payload])
        for statement in (
            "INSERT INTO bundles VALUES (:key, :blob)",
            "INSERT INTO ledger_heads VALUES ('spiffe://c', '0', 4, '{}')",
        ):
            values = {"key": "a" * 64, "blob": LEAF} if ":key" in statement else {}
            connection.execute(text(statement), values)


def contents(engine: Engine) -> Contents:
    """Every row of every table of the code's."""
    with read_transaction(engine) as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(table.select()))
            for table in metadata.sorted_tables
        }


def version(engine: Engine) -> str | None:
    with read_transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_down_and_up_again_keeps_everything(engine: Engine) -> None:
    fill(engine)
    before = contents(engine)
    assert sum(map(bool, before.values())) == len(before) - len(("cosigned", "timestamps"))
    for older in VERSIONS:
        migrate_back(engine, older)
        assert version(engine) == older
        migrate(engine)
        assert version(engine) == newest_version()
        assert contents(engine) == before, older
    for older in VERSIONS:
        migrate_back(engine, older)
    migrate(engine)
    assert contents(engine) == before


def test_an_empty_database_goes_back_to_nothing(engine: Engine) -> None:
    migrate_back(engine, "base")
    with read_transaction(engine) as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    migrate(engine)
    assert version(engine) == newest_version()


@pytest.mark.parametrize(
    ("statement", "older", "named"),
    [
        ("INSERT INTO cosigned VALUES ('log', 2, 'note')", "0004", "1 in cosigned"),
        ("INSERT INTO timestamps VALUES ('log', 2, 'a', 'n', :blob)", "0004", "1 in timestamps"),
        (
            "INSERT INTO journal VALUES ('log', 3, 'payloads.erased', NULL)",
            "0004",
            r"1 of type payloads\.erased in log log \(the first is entry 3\)",
        ),
        ("INSERT INTO journal VALUES ('log', 3, 'alarm.raised', NULL)", "0002", "alarm.raised"),
        (
            "INSERT INTO journal VALUES ('log', 3, 'change.staged', :blob)",
            "0002",
            r"no checkpoint covers yet.*entry 3",
        ),
        ("INSERT INTO journal VALUES ('log', 1, 'change.staged', NULL)", "0001", "change.staged"),
        ("INSERT INTO entries VALUES ('log', 0, :blob, :blob)", "base", "1 in entries"),
        ("INSERT INTO bundles VALUES ('a', :blob)", "base", "1 in bundles"),
    ],
)
def test_what_would_be_lost_is_named_and_nothing_changes(
    engine: Engine, statement: str, older: str, named: str
) -> None:
    with write_transaction(engine) as connection:
        connection.execute(text(statement), {"blob": LEAF} if ":blob" in statement else {})
    before = contents(engine)
    with pytest.raises(ConfigError, match=named):
        migrate_back(engine, older)
    assert version(engine) == newest_version()
    assert contents(engine) == before


def test_marks_of_what_a_checkpoint_covers_may_go(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        journal_store.insert_journal(connection, "log", [MarkedRow(1, "change.staged", LEAF)])
        log_store.insert_checkpoint(connection, "log", CheckpointRow(2, LEAF, "note", LEAF))
    migrate_back(engine, "0002")
    migrate(engine)
    with read_transaction(engine) as connection:
        row = MarkedRow(1, "change.staged", None)
        assert journal_store.read_row(connection, "log", 1) == row
