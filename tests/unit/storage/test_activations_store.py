import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.audit.port import Draft
from gateway.bundles.folder import Bundle
from gateway.changes.activation import (
    Activation,
    Candidate,
    Justification,
    activate,
    verify_activation,
)
from gateway.clock import ManualClock
from gateway.decisions.floor import Floor
from gateway.errors import ConfigError, LogUnavailableError
from gateway.storage import activations_store, log_store
from gateway.storage.activations_store import SqlActivations
from gateway.storage.engine import Engine, StorageError, write_transaction
from tests.fakes.decisions import DECLARATION
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import note, open_engine, open_log

WHY = Justification("ann", 'because of "type":"bundle.activated"', "CHG-7")
DECOY = Draft("test.note", ACTOR, b'{"type":"bundle.activated"}')


class Crashing(SqlActivations):
    """The process ends after the entry and before the row."""

    def add(self, activation: Activation, archive: bytes, floor_note: bytes) -> None:
        raise LogUnavailableError("crash")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def put_in_force(
    engine: Engine, version: int, kind: Callable[[Engine, str], SqlActivations] = SqlActivations
) -> Activation:
    """As `gateway policy activate` does it, with entries of others after it."""
    files = Bundle({}, version, str(version) * 64, f"{version}-a", DECLARATION, (), (), {}, b"a")
    candidate = Candidate(files, Floor(None, ()), b"")

    async def run() -> Activation:
        log = await open_log(engine, clock=ManualClock())
        rows = kind(engine, ORIGIN)
        try:
            before = rows.newest()
            made = await activate(log, rows, candidate, before, WHY, ACTOR, ManualClock())
            await log.append([note(str(number)) for number in range(7)] + [DECOY])
            return made
        finally:
            await log.aclose()

    return asyncio.run(run())


def check(engine: Engine) -> None:
    stored = SqlActivations(engine, ORIGIN)
    verify_activation(stored.newest(), stored.last_entry())


def change(engine: Engine, statement: str) -> None:
    with write_transaction(engine) as connection:
        assert connection.execute(text(statement)).rowcount == 1


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 10_000])
def test_the_last_entry_of_an_activation_is_found_behind_others(
    engine: Engine, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations_store, "_STEP_ENTRIES", step)
    stored = SqlActivations(engine, ORIGIN)
    assert stored.last_entry() is None
    put_in_force(engine, 1)
    second = put_in_force(engine, 2)
    entry = stored.last_entry()
    assert entry is not None
    assert (entry.seq, entry.type) == (second.number, "bundle.activated")
    with write_transaction(engine) as connection:
        others = [log_store.EntryRow(seq, b"{}", bytes(32)) for seq in range(second.number + 9)]
        log_store.insert_entries(connection, "another.log", others)
    assert SqlActivations(engine, "another.log").last_entry() is None
    check(engine)


def test_a_deleted_newest_row_is_seen_and_activating_again_mends_it(engine: Engine) -> None:
    put_in_force(engine, 1)
    second = put_in_force(engine, 2)
    change(engine, f"DELETE FROM activations WHERE number = {second.number}")
    with pytest.raises(ConfigError, match="row is missing"):
        check(engine)
    put_in_force(engine, 2)
    check(engine)


@pytest.mark.parametrize("date", ["2030-01-01T00:00:00.000000Z", "never"])
def test_a_date_in_the_column_does_not_move_the_entry_s(engine: Engine, date: str) -> None:
    put_in_force(engine, 1)
    change(engine, f"UPDATE activations SET activated_at = '{date}'")
    check(engine)
    entry = SqlActivations(engine, ORIGIN).last_entry()
    assert entry is not None
    assert entry.time_us == ManualClock().now_us()


def test_a_crash_between_the_first_entry_and_its_row_is_mended_by_activating(
    engine: Engine,
) -> None:
    with pytest.raises(LogUnavailableError, match="crash"):
        put_in_force(engine, 1, Crashing)
    with pytest.raises(ConfigError, match="no activation is stored"):
        check(engine)
    put_in_force(engine, 1)
    check(engine)


def test_bytes_that_are_no_entry_are_named(engine: Engine) -> None:
    number = put_in_force(engine, 1).number
    change(engine, f"UPDATE entries SET bytes = CAST(bytes || 'x' AS BLOB) WHERE seq = {number}")
    with pytest.raises(StorageError, match=f"entry {number} of the log"):
        SqlActivations(engine, ORIGIN).last_entry()
