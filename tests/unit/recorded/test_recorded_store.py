"""The database's own reading of evaluations, weights and payloads, on a real log."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.lost import Lost
from gateway.audit.port import Draft, Removal
from gateway.clock import ManualClock, format_time
from gateway.errors import KeyServiceError
from gateway.recorded.classes import open_class
from gateway.recorded.entries import RecordedShapeError, parse_evaluations
from gateway.recorded.port import Absences
from gateway.recorded.reading import read_recorded
from gateway.storage.engine import Engine, write_transaction
from gateway.storage.recorded_store import SqlRecordedEntries
from tests.fakes.decisions import NOW_US, SENDER
from tests.fakes.engine import FakeEngine
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.recorded import Traffic, bundle_of, policy_of
from tests.fakes.removals import remove
from tests.fakes.sql_logs import open_engine, open_log

TODAY = format_time(NOW_US)[:10]
RETENTION_CLASSES = ("pci", "telemetry")  # what is kept for cards, and what nothing asks for
MONTH = TODAY[:7]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


class Lived:
    """A log with three classes, the second of them asked for twice; `vault` reads them."""

    def __init__(self, engine: Engine) -> None:
        self.entries = SqlRecordedEntries(engine, ORIGIN)
        self.keys = MemoryKeyService()
        asyncio.run(self._live(engine))
        self.seqs = {
            item.class_id: entry.seq
            for entry in self.entries.scan(0, self.entries.size())
            for item in parse_evaluations(entry).items
        }
        self.ids = list(self.seqs)

    async def _live(self, engine: Engine) -> None:
        clock = ManualClock(wall_us=NOW_US)
        log = await open_log(engine, self.keys, clock)
        traffic = Traffic(log, clock)
        policy = policy_of(bundle_of(), FakeEngine())
        await log.append([Draft("test.note", ACTOR, b'{"type":"evaluations"}')])
        await traffic.give(policy, {"one": 1, "two": 4})
        await traffic.give(policy, {"two": 3, "payment-3": 1})
        await log.aclose()
        self.vault = log.vault

    def open(self) -> dict[str, bytes | Lost]:
        return dict(self.vault.open_many(self.seqs))

    def remove(self, engine: Engine, removal: Removal) -> None:
        async def main() -> None:
            clock = ManualClock(wall_us=NOW_US + 31 * 86_400_000_000)
            log = await open_log(engine, self.keys, clock)
            await remove(log, removal)
            await log.aclose()

        asyncio.run(main())


def sql(engine: Engine, statement: str, *values: str) -> None:
    with write_transaction(engine) as connection:
        connection.exec_driver_sql(statement, values)


def test_only_evaluations_are_read_in_their_order(engine: Engine) -> None:
    lived = Lived(engine)
    scanned = list(lived.entries.scan(0, lived.entries.size()))
    assert [len(parse_evaluations(entry).items) for entry in scanned] == [2, 1]
    assert list(lived.entries.at([entry.seq for entry in reversed(scanned)])) == scanned
    assert list(lived.entries.at([0, 10_000])) == []
    assert list(lived.entries.scan(scanned[0].seq + 1, scanned[1].seq)) == []


def test_weights_and_classes_are_what_was_given(engine: Engine) -> None:
    lived = Lived(engine)
    reading = read_recorded(lived.entries, lived.vault, TODAY, TODAY, lambda _: None)
    assert sorted(item.weight for item in reading.classes) == [1, 1, 7]
    assert reading.unreadable == {}


def test_many_payloads_open_as_each_alone(engine: Engine) -> None:
    lived = Lived(engine)
    calls = lived.keys.calls
    opened = lived.open()
    assert lived.keys.calls == calls + len(RETENTION_CLASSES), "each month's key is unwrapped once"
    assert opened == {found: lived.vault.open_payload(found) for found in lived.ids}
    for class_id, payload in opened.items():
        assert isinstance(payload, bytes)
        open_class(class_id, payload)


def test_why_a_payload_is_lost_is_told_apart(engine: Engine) -> None:
    lived = Lived(engine)
    erased, missing, damaged = lived.ids
    lived.remove(engine, Removal(class_ids=(erased,)))
    sql(engine, "DELETE FROM payload_keys WHERE class_id = ?", missing)
    sql(engine, "DELETE FROM payloads WHERE class_id = ?", missing)
    sql(engine, "UPDATE payloads SET sealed = zeroblob(99) WHERE class_id = ?", damaged)
    assert lived.open() == {erased: Lost.ERASED, missing: Lost.MISSING, damaged: Lost.DAMAGED}


@pytest.mark.parametrize("tables", [("payload_keys",), ("payload_keys", "payloads")])
def test_what_no_entry_explains_is_missing(engine: Engine, tables: tuple[str, ...]) -> None:
    lived = Lived(engine)
    for table in tables:
        sql(engine, f"DELETE FROM {table}")
    assert set(lived.open().values()) == {Lost.MISSING}


def test_a_month_is_purged_when_an_entry_says_so(engine: Engine) -> None:
    lived = Lived(engine)
    sql(engine, "DELETE FROM month_keys")
    assert set(lived.open().values()) == {Lost.MISSING}
    of_region = f"{ORIGIN}/{SENDER.region}"
    month_keys = tuple(f"{of_region}/{name}/{MONTH}" for name in RETENTION_CLASSES)
    lived.remove(engine, Removal(month_keys=month_keys))
    assert set(lived.open().values()) == {Lost.PURGED}


def test_a_key_service_that_fails_is_no_purge(engine: Engine) -> None:
    lived = Lived(engine)
    lived.keys.failing = "sealed"
    with pytest.raises(KeyServiceError):
        lived.open()


def test_absent_entries_are_counted_and_damaged_ones_named(engine: Engine) -> None:
    lived = Lived(engine)
    size = lived.entries.size()
    assert lived.entries.absent(0, size) == Absences(purged=0, missing=0)
    first = next(lived.entries.scan(0, size)).seq
    sql(
        engine,
        'UPDATE entries SET bytes = CAST(\'"type":"evaluations"\' AS BLOB) WHERE seq = ?',
        str(first),
    )
    with pytest.raises(RecordedShapeError, match=f"entry {first} "):
        list(map(parse_evaluations, lived.entries.scan(0, size)))
    reading = read_recorded(lived.entries, lived.vault, TODAY, TODAY, lambda _: None)
    assert reading.unreadable == {"malformed": 8}
    sql(engine, "DELETE FROM entries WHERE seq = ?", str(first))
    assert lived.entries.absent(0, size) == Absences(purged=0, missing=1)
    reading = read_recorded(lived.entries, lived.vault, TODAY, TODAY, lambda _: None)
    assert reading.unreadable == {"missing": 8}
