"""What every store does below the log: rows, transactions and what is kept beside entries."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit.journal import JournalHeads
from gateway.decisions.ledger import LedgerHead
from gateway.errors import LogUnavailableError
from gateway.recorded.entries import EVALUATIONS
from gateway.storage import journal_store, log_store, payload_store
from gateway.storage.bundles_store import SqlBundleStore
from gateway.storage.engine import (
    Engine,
    StorageError,
    read_transaction,
    scrub,
    write_transaction,
)
from gateway.storage.journal_store import JournalEntryRow, MarkedRow
from gateway.storage.ledger_heads_store import SqlLedgerHeads
from gateway.storage.log_store import CheckpointRow, CountRow, EntryRow, TileRow
from gateway.storage.payload_store import MonthKeyRow, PayloadRow
from gateway.storage.recorded_store import SqlRecordedEntries
from gateway.wire.ledger import Counters
from tests.fakes.open_logs import STORES, new_store

BYTES = bytes(range(256))
LEAF = b"\x00\xff" * 16


@pytest.fixture(params=STORES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with new_store(request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize("count", [0, 1, 2, 5_000])
def test_entries_come_back_as_the_bytes_that_were_put(engine: Engine, count: int) -> None:
    rows = [EntryRow(seq, BYTES[: seq % 256], LEAF) for seq in range(count)]
    with write_transaction(engine, "log") as connection:
        log_store.insert_entries(connection, "log", rows)
    with read_transaction(engine) as connection:
        found = list(log_store.read_entries(connection, "log", 0))
        assert found == rows
        assert {type(row.data) for row in found} <= {bytes}
        head = (count - 1, LEAF) if count else None
        assert log_store.read_head(connection, "log") == head
        assert log_store.read_leaf_hashes(connection, "log", 1, 3) == [LEAF] * min(
            2, max(0, count - 1)
        )


@pytest.mark.parametrize("count", [1, 3])
def test_a_place_that_is_taken_refuses_the_whole_transaction(engine: Engine, count: int) -> None:
    with write_transaction(engine, "log") as connection:
        log_store.insert_entries(connection, "log", [EntryRow(7, b"first", LEAF)])
        log_store.insert_entries(connection, "other", [EntryRow(7, b"of another log", LEAF)])
    rows = [EntryRow(7 - at, b"second of secrets", LEAF) for at in reversed(range(count))]

    def write() -> None:
        with write_transaction(engine, "log") as connection:
            log_store.insert_checkpoint(connection, "log", CheckpointRow(8, LEAF, "note", LEAF))
            log_store.insert_entries(connection, "log", rows)

    with pytest.raises(StorageError) as caught:
        write()
    assert "secrets" not in str(caught.value)
    with read_transaction(engine) as connection:
        assert [row.data for row in log_store.read_entries(connection, "log", 0)] == [b"first"]
        assert log_store.read_last_checkpoint(connection, "log") is None


def test_checkpoints_and_tiles(engine: Engine) -> None:
    notes = [CheckpointRow(size, LEAF, f"note \u2014 {size}\n", LEAF * 2) for size in (3, 20, 100)]
    with write_transaction(engine, "log") as connection:
        for row in notes:
            log_store.insert_checkpoint(connection, "log", row)
        log_store.upsert_tiles(connection, "log", [TileRow(1, 0, LEAF), TileRow(0, 2**40, LEAF)])
        log_store.upsert_tiles(connection, "log", [TileRow(1, 0, LEAF * 2)])
    with read_transaction(engine) as connection:
        assert log_store.read_last_checkpoint(connection, "log") == notes[-1]
        found = list(log_store.read_checkpoints(connection, "log"))
        assert found == [(row.size, row.root, row.note) for row in notes]
        assert log_store.read_tile(connection, "log", 1, 0) == LEAF * 2
        assert log_store.read_tile(connection, "log", 0, 2**40) == LEAF
        assert log_store.read_tile(connection, "log", 2, 0) is None


def test_counts_add_up_by_day(engine: Engine) -> None:
    for next_seq, times in ((10, 3), (20, 4)):
        rows = [CountRow("2026-11-25", 1, 0, times), CountRow("2026-11-26", 1, 1, 1)]
        with write_transaction(engine, "log") as connection:
            log_store.add_counts(connection, "log", rows, next_seq)
    with read_transaction(engine) as connection:
        assert log_store.read_count_mark(connection, "log") == 20
        assert log_store.read_count_mark(connection, "other") == 0
        days = ("2026-11-25", "2026-11-25")
        assert log_store.read_counts(connection, "log", *days) == [CountRow(days[0], 1, 0, 7)]
        assert len(log_store.read_counts(connection, "log", "2026-11-01", "2026-11-30")) == 2


def test_the_journals_rows_come_with_their_entries(engine: Engine) -> None:
    rows = [MarkedRow(3, "change.staged", None), MarkedRow(5, "rollout.stepped", b"mark")]
    with write_transaction(engine, "log") as connection:
        journal_store.insert_journal(connection, "log", rows)
        journal_store.insert_journal(connection, "log", [MarkedRow(8, "change.rejected", b"m")])
        log_store.insert_entries(connection, "log", [EntryRow(5, b"e", LEAF)])
    with read_transaction(engine) as connection:
        assert list(journal_store.read_journal(connection, "log", 5)) == [
            JournalEntryRow(5, "rollout.stepped", b"mark", b"e", LEAF),
            JournalEntryRow(8, "change.rejected", b"m", None, None),
        ]
        assert journal_store.read_heads(connection, "log") == JournalHeads(8, 5)
        assert journal_store.read_heads(connection, "none") == JournalHeads(-1, -1)
        assert journal_store.read_row(connection, "log", 3) == rows[0]
        assert journal_store.read_newest_before(connection, "log", 8) == 5


@pytest.mark.parametrize("count", [1, 700])
def test_payloads_lie_under_their_months_keys(engine: Engine, count: int) -> None:
    ids = [f"{number:048x}" for number in range(count)]
    month_key = "log/eu-west-1/standard/2026-11"
    with write_transaction(engine, "log") as connection:
        key = MonthKeyRow(month_key, "eu-west-1", "standard", "2026-11", BYTES)
        payload_store.insert_month_keys(connection, [key])
        rows = [
            PayloadRow(class_id, "2026-11", "eu-west-1", "standard", BYTES, month_key, LEAF)
            for class_id in ids
        ]
        payload_store.insert_payloads(connection, "log", rows)
    with read_transaction(engine) as connection:
        assert payload_store.find_payloads(connection, [*ids, "f" * 48]) == set(ids)
        assert payload_store.find_month_keys(connection, [month_key, "x"]) == {month_key}
        assert payload_store.read_month_key(connection, month_key) == BYTES
        found = list(payload_store.read_payloads(connection, "log", ids))
    assert sorted(row.class_id for row in found) == ids
    assert {row[1:] for row in found} == {(BYTES, month_key, LEAF, BYTES)}


def test_recorded_evaluations_are_found_by_their_type(engine: Engine) -> None:
    def entry(kind: str, body: canonical.Value) -> bytes:
        place: dict[str, canonical.Value] = {"log": "log", "seq": 0, "prev": "0" * 64, "v": 1}
        when = "2026-11-25T10:00:00.000000Z"
        return canonical.encode({**place, "time": when, "actor": "a", "body": body, "type": kind})

    mark = f'"type":"{EVALUATIONS}"'
    bodies = [
        entry("test.note", {"text": mark}),
        entry(EVALUATIONS, {"a": 1}),
        entry("test.note", {"type": EVALUATIONS}),
        entry(EVALUATIONS, {"b": "%s ? :x"}),
    ]
    with write_transaction(engine, "log") as connection:
        rows = [EntryRow(seq, data, LEAF) for seq, data in enumerate(bodies)]
        log_store.insert_entries(connection, "log", rows)
    recorded = SqlRecordedEntries(engine, "log")
    assert recorded.size() == 4
    assert [found.seq for found in recorded.scan(0, 4)] == [1, 3]
    assert [found.seq for found in recorded.at([3, 2, 1, 99])] == [1, 3]


def test_what_lies_beside_entries_is_kept_as_it_was_put(engine: Engine) -> None:
    bundles = SqlBundleStore(engine)
    bundles.put("1" * 64, BYTES)
    bundles.put("1" * 64, b"another")
    assert (bundles.get("1" * 64), bundles.get("2" * 64)) == (BYTES, None)

    async def main() -> None:
        heads = SqlLedgerHeads(engine)
        counters = Counters(
            scraped=5, exported=5, sampled_out=0, dropped=0, rejected=0, waiting=0, lost={"x": 1}
        )
        for report in (1, 2):
            await heads.put("spiffe://a", "e" * 32, LedgerHead(report, counters))
        assert await heads.get("spiffe://a", "e" * 32) == LedgerHead(2, counters)
        assert await heads.get("spiffe://b", "e" * 32) is None
        with write_transaction(engine) as connection:
            connection.exec_driver_sql("DROP TABLE ledger_heads")
        with pytest.raises(LogUnavailableError):
            await heads.put("spiffe://a", "e" * 32, LedgerHead(3, counters))

    asyncio.run(main())


def test_readers_see_one_state_and_do_not_wait_for_the_writer(engine: Engine) -> None:
    with write_transaction(engine, "log") as writer:
        log_store.insert_entries(writer, "log", [EntryRow(0, b"a", LEAF)])
        with read_transaction(engine) as before:
            assert log_store.read_head(before, "log") is None
    with read_transaction(engine) as reader:
        assert log_store.read_head(reader, "log") == (0, LEAF)
        with write_transaction(engine, "log") as writer:
            log_store.insert_entries(writer, "log", [EntryRow(1, b"b", LEAF)])
        assert log_store.read_head(reader, "log") == (0, LEAF)
        with pytest.raises(StorageError), read_transaction(engine) as attempt:
            log_store.insert_entries(attempt, "log", [EntryRow(2, b"c", LEAF)] * 2)


def test_who_writes_next_reads_what_the_writer_before_left(engine: Engine) -> None:
    seen: list[tuple[int, bytes] | None] = []
    waiting = threading.Event()

    def write_after() -> None:
        waiting.set()
        with write_transaction(engine, "log") as connection:
            seen.append(log_store.read_head(connection, "log"))

    with write_transaction(engine, "log") as connection:
        thread = threading.Thread(target=write_after)
        thread.start()
        assert waiting.wait(5)
        thread.join(0.3)
        assert thread.is_alive()
        log_store.insert_entries(connection, "log", [EntryRow(0, b"a", LEAF)])
    thread.join(10)
    assert seen == [(0, LEAF)]


def test_scrubbing_waits_for_no_reader_that_sees_what_was_erased(engine: Engine) -> None:
    secret = b"a wrapped key of a payload that goes" * 3
    with write_transaction(engine, "log") as connection:
        key = MonthKeyRow("log/r/c/2026-11", "r", "c", "2026-11", secret)
        payload_store.insert_month_keys(connection, [key])
    with read_transaction(engine) as reader:
        assert payload_store.read_month_key(reader, "log/r/c/2026-11") == secret
        with write_transaction(engine, "log") as connection:
            connection.exec_driver_sql("DELETE FROM month_keys")
        with pytest.raises(StorageError, match=r"reader|in use"):
            scrub(engine)
    scrub(engine)
    scrub(engine)
    with read_transaction(engine) as connection:
        assert payload_store.read_month_key(connection, "log/r/c/2026-11") is None
