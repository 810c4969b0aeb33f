"""A log in PostgreSQL as evidence: verified through the same port as any other, tampered with by
SQL, in constant memory, in one snapshot that other processes share."""

import asyncio
import json
import pickle
import tracemalloc
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from gateway.errors import ConfigError
from gateway.storage import log_store
from gateway.storage.engine import Engine, open_database, read_transaction, write_transaction
from gateway.storage.log_store import EntryRow
from gateway.storage.postgresql_source import PostgresSource
from gateway.storage.removal_store import KEPT_TYPES, count_kept
from gateway.transparency.errors import SourceError
from gateway.transparency.source import DatabaseSource, LogSource, StoredPayload
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.log import ORIGIN
from tests.fakes.postgresql import PostgresServer, running_postgres
from tests.fakes.sql_logs import SIGNER, note, open_log, payload, record, stored_entries, verify

ENTRIES = 900


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        yield made


@pytest.fixture(scope="module")
def template(server: PostgresServer) -> str:
    """The name of a database with a real log of several checkpoints."""
    name = server.new_database()

    async def main(engine: Engine) -> None:
        for part in range(3):
            log = await open_log(engine)
            await log.append([note(f"{part}-{at}") for at in range(ENTRIES // 3)])
            after = (await log.heads()).journal
            await log.append(
                [record("change.staged", None if after < 0 else after)],
                [payload(f"{part:048x}")],
                after=after,
            )
            await log.aclose()

    engine = open_database(server.url(name))
    asyncio.run(main(engine))
    engine.dispose()
    return name


@pytest.fixture
def address(server: PostgresServer, template: str) -> Iterator[str]:
    name = server.copy_database(template)
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    made = open_database(address)
    yield made
    made.dispose()


def run(engine: Engine, statement: str) -> None:
    with write_transaction(engine) as connection:
        assert connection.execute(text(statement)).rowcount


def test_what_a_purge_would_leave_is_counted(engine: Engine) -> None:
    entries = [json.loads(data) for data in stored_entries(engine)][:768]
    kept = [entry["seq"] for entry in entries if entry["type"] in KEPT_TYPES]
    assert len(kept) >= 4
    with read_transaction(engine) as connection:
        assert count_kept(connection, ORIGIN, 0, 767) == len(kept)
        first = sum(seq < 256 for seq in kept)
        assert count_kept(connection, ORIGIN, 0, 255) == first


def test_it_is_a_source_like_any_other(address: str, engine: Engine) -> None:
    with PostgresSource(address) as source:
        as_port: LogSource = source
        assert isinstance(as_port, DatabaseSource)
        assert source.origin == ORIGIN
        assert source.tail_problem() is None
        assert not source.is_extract
        rows = [row for batch in source.entries() for row in batch]
        assert [data for _, data, _ in rows] == stored_entries(engine)
        assert source.estimate_entries() == len(rows)
        assert [row for batch in source.entries(first=500) for row in batch] == rows[500:]
        sizes = [size for size, _, _ in source.checkpoints() if isinstance(size, int)]
        assert sizes == sorted(sizes)
        assert len(sizes) >= 3
        assert [size for size, _, _ in source.checkpoints(sizes[1])] == sizes[1:]
        assert all(isinstance(note, bytes) for _, _, note in source.checkpoints())
        assert [size for size, _ in source.edges()] == sizes
        assert source.leaf_hashes(100, 700) == [leaf for _, _, leaf in rows[100:700]]
        assert source.leaf_hashes(100, 10_000) == [
            leaf for _, _, leaf in rows[100 : len(rows) // 256 * 256]
        ]
        levels = [(level, idx) for level, idx, _ in source.tiles()]
        assert levels == sorted(levels)
        assert (0, 2) in levels
        assert {kind for _, kind in source.journal_rows()} == {"change.staged"}
        assert source.count_payloads() == 3
        found = source.payloads([f"{0:048x}", "f" * 48])
        assert found.keys() == {f"{0:048x}"}
        one = found[f"{0:048x}"]
        assert isinstance(one, StoredPayload)
        assert one.has_key
        assert one.has_month_key
        assert one.sealed_sha256 is not None
        assert one.place == one.month_key
        assert source.classes_held([f"{0:048x}", "f" * 48]) == {f"{0:048x}"}
        assert source.months_held([one.month_key, "x"]) == {one.month_key}
        assert list(source.cosigned()) == []
        verdict = verify_log(source, ORIGIN, SIGNER.verifier)
        assert verdict.word is Word.UNANCHORED, verdict.sentence
        assert verdict.entries == len(rows)


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        (
            "UPDATE entries SET bytes = overlay(bytes placing 'X'::bytea from 40) WHERE seq = 450",
            Word.TAMPERED,
        ),
        ("UPDATE entries SET leaf_hash = sha256('x') WHERE seq = 450", Word.TAMPERED),
        ("DELETE FROM entries WHERE seq = 450", Word.MISSING),
        ("DELETE FROM entries WHERE seq >= 850", Word.MISSING),
        (
            "UPDATE checkpoints SET root = sha256('x') "
            "WHERE size = (SELECT max(size) FROM checkpoints)",
            Word.TAMPERED,
        ),
        ("UPDATE entries SET seq = 10000 - seq WHERE seq IN (3, 9997)", Word.MISSING),
    ],
)
def test_what_was_changed_by_sql_is_found(
    address: str, engine: Engine, statement: str, word: Word
) -> None:
    run(engine, statement)
    with PostgresSource(address) as source:
        verdict = verify_log(source, ORIGIN, SIGNER.verifier)
    assert verdict.word is word, verdict.sentence


def test_a_number_that_stands_twice_is_found(address: str, engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE entries DROP CONSTRAINT entries_pkey")
        connection.exec_driver_sql("INSERT INTO entries SELECT * FROM entries WHERE seq = 77")
    with PostgresSource(address) as source:
        verdict = verify_log(source, ORIGIN, SIGNER.verifier)
    assert (verdict.word, verdict.first_bad_seq) == (Word.DUPLICATE_SEQ, 77)


def test_others_open_the_same_state_while_it_is_open(address: str, engine: Engine) -> None:
    with PostgresSource(address) as source:
        opener = source.opener()
        assert opener is not None
        assert "postgresql://" not in repr(opener)
        size = source.estimate_entries()
        rows = [EntryRow(size, b"a later one", bytes(32))]
        with write_transaction(engine, ORIGIN) as connection:
            log_store.insert_entries(connection, ORIGIN, rows)
        again = pickle.loads(pickle.dumps(opener))()
        assert again.estimate_entries() == source.estimate_entries() == size
        again.close()
    with pytest.raises(SourceError):
        opener()


def test_a_stopped_reader_leaves_the_source_usable(address: str) -> None:
    with PostgresSource(address) as source:
        for _ in range(3):
            batches = source.entries()
            next(batches)
            batches.close()  # type: ignore[attr-defined]
            next(source.checkpoints())
        batches, notes = source.entries(), source.checkpoints()
        next(batches)
        next(notes)
        assert sum(1 for _ in notes) >= 2
        assert source.estimate_entries() > ENTRIES
    with pytest.raises(SourceError):
        next(source.entries())


def test_memory_does_not_grow_with_the_log(address: str, engine: Engine) -> None:
    def peak() -> int:
        with PostgresSource(address) as source:
            tracemalloc.start()
            for _ in source.entries():
                pass
            reached = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return reached

    def grow(first: int, stop: int) -> None:
        rows = [EntryRow(seq, b"x" * 600, bytes(32)) for seq in range(first, stop)]
        with write_transaction(engine, ORIGIN) as connection:
            log_store.insert_entries(connection, ORIGIN, rows)

    grow(1_000, 9_000)
    small = peak()
    grow(9_000, 60_000)
    assert peak() < small * 1.2


def test_what_cannot_be_read_is_said(server: PostgresServer, address: str) -> None:
    with pytest.raises(SourceError, match="not a gateway's"):
        PostgresSource(server.url("postgres"))
    with pytest.raises(SourceError, match=r"no log 'other', but 'example\.org/log'"):
        PostgresSource(address, "other")
    with pytest.raises(SourceError, match="cannot connect") as caught:
        PostgresSource(address.replace(server.password, "hunter2"))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError):
        PostgresSource("postgresql://gateway:hunter2@127.0.0.1:hunter2/x")
    name = server.new_database()
    with pytest.raises(SourceError, match="holds no log"):
        PostgresSource(server.url(name))


def test_reading_needs_no_right_but_to_read(
    server: PostgresServer, address: str, engine: Engine
) -> None:
    server.run("DROP ROLE IF EXISTS auditor", "CREATE ROLE auditor LOGIN PASSWORD 'auditor-1'")
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor")
    own = address.replace(f"gateway:{server.password}", "auditor:auditor-1")
    with PostgresSource(own) as source:
        assert verify_log(source, ORIGIN, SIGNER.verifier).word is Word.UNANCHORED
    assert verify(engine).word is Word.UNANCHORED
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("DROP OWNED BY auditor")
