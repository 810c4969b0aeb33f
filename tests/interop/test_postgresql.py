"""A real PostgreSQL server, as it is in operation: contracts, hangs, restarts, locks, standbys."""

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from gateway.audit.port import Appended
from gateway.errors import ConfigError, LogUnavailableError
from gateway.storage import log_store, payload_store
from gateway.storage.engine import (
    Engine,
    StorageError,
    open_database,
    read_transaction,
    scrub,
    write_transaction,
)
from gateway.storage.log_store import EntryRow
from gateway.storage.payload_store import MonthKeyRow
from gateway.storage.schema import migrate
from gateway.storage.tables import metadata
from gateway.transparency.verdict import Word
from tests.fakes.log import ORIGIN
from tests.fakes.postgresql import TEST_URL, PostgresServer, running_postgres
from tests.fakes.sql_logs import note, open_log, payload, stored_entries, verify

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ("test_log.py", "test_journal.py", "test_stores.py", "test_migrations.py")
BUSY_SECONDS = 1.0
BOUND_SECONDS = 5.0  # what a hang may cost: the limit, its grace and a new connection's two
CANCEL_STANDBY_WAITS = (
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        yield made


@contextmanager
def opened(server: PostgresServer, name: str | None = None) -> Iterator[Engine]:
    engine = open_database(
        server.url(name or server.new_database()), busy_timeout_seconds=BUSY_SECONDS
    )
    yield engine
    engine.dispose()


@pytest.fixture
def engine(server: PostgresServer) -> Iterator[Engine]:
    with opened(server) as made:
        yield made


@pytest.mark.timeout(600)
def test_the_contracts_hold_over_postgresql(server: PostgresServer) -> None:
    files = [str(ROOT / "tests" / "contract" / name) for name in CONTRACTS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "postgresql", *files],
        cwd=ROOT,
        env={**os.environ, TEST_URL: server.url()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 100
    assert "skipped" not in done.stdout


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with read_transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": _is_other_type})
        assert compare_metadata(context, metadata) == []
        texts = connection.execute(
            text(
                "SELECT table_name || '.' || column_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND data_type IN ('text', 'character varying') "
                "AND collation_name IS DISTINCT FROM 'C' AND table_name <> 'alembic_version'"
            )
        ).scalars()
        assert list(texts) == []


def _is_other_type(*compared: object) -> bool | None:
    """Texts of a bounded length are texts here."""
    kinds = {str(kind).split("(")[0].split(" ")[0] for kind in compared[-2:]}
    return False if kinds <= {"TEXT", "VARCHAR"} else None


def test_processes_that_start_together_migrate_once(server: PostgresServer) -> None:
    server.run("CREATE DATABASE together")
    program = (
        "import sys; from gateway.storage.engine import open_database; "
        "from gateway.storage.schema import migrate; migrate(open_database(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, server.url("together")]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://gateway:hunter2@127.0.0.1:{port}/postgres",
        "postgresql://gateway@127.0.0.1:{port}/postgres?password=hunter2",
        "postgresql://gateway:hunter2@127.0.0.1:{port}/absent",
        "postgresql://gateway:hunter2@127.0.0.1:1/postgres",
        "postgresql://gateway:hunter2@127.0.0.1:{port}/postgres?sslmode=require",
        "postgresql://gateway:hunter2@127.0.0.1:{port}/postgres?sslmode=verify-full",
        "postgresql://gateway:hunter2@127.0.0.1:hunter2/postgres",
        "postgresql://gateway:hunter2@127.0.0.1/postgres?no_such_option=hunter2",
        "postgresql+nothing://gateway:hunter2@127.0.0.1:{port}/postgres",
    ],
)
def test_a_password_is_in_no_error(server: PostgresServer, address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_database(address.format(port=server.port), busy_timeout_seconds=BUSY_SECONDS)
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert "hunter2" not in shown, shown
    assert caught.value.__suppress_context__


def test_a_password_is_in_no_engine_and_no_later_error(server: PostgresServer) -> None:
    name = server.new_database()
    address = server.url(name).replace(f":{server.password}@", "@")
    engine = open_database(f"{address}?password={server.password}")
    with pytest.raises(StorageError) as caught, write_transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO absent VALUES (%s)", (b"a secret",))
    shown = f"{caught.value} {engine!r} {engine.url!r} {caught.value.__cause__!r}"
    assert server.password not in shown
    assert "a secret" not in shown
    assert f"/{name}" in str(caught.value)
    engine.dispose()


def test_the_password_may_come_from_libpqs_environment(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", server.password)
    address = server.url().replace(f":{server.password}@", "@").replace("postgresql", "postgres", 1)
    open_database(address).dispose()


def test_a_server_without_fsync_is_refused(server: PostgresServer) -> None:
    server.change_setting("fsync", "off")
    try:
        with pytest.raises(ConfigError, match="fsync"):
            open_database(server.url())
    finally:
        server.change_setting("fsync", "on")


def test_a_database_of_another_encoding_is_refused(server: PostgresServer) -> None:
    server.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(ConfigError, match="UTF8"):
        open_database(server.url("latin"))


def test_a_writer_commits_durably_whatever_the_server_is_set_to(server: PostgresServer) -> None:
    name = server.new_database()
    for setting, wanted in (("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")):
        server.run(f"ALTER DATABASE {name} SET synchronous_commit = {setting}")
        with opened(server, name) as engine, write_transaction(engine, "log") as connection:
            found = connection.exec_driver_sql("SHOW synchronous_commit").scalar()
            assert found == wanted
            level = connection.exec_driver_sql("SHOW transaction_isolation").scalar()
            assert level == "read committed"


def test_a_frozen_server_makes_the_log_unavailable_and_not_the_gateway(
    server: PostgresServer, engine: Engine
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        answered = await log.append([note("before")])
        with server.frozen():
            started = time.monotonic()
            with pytest.raises(LogUnavailableError, match="did not answer"):
                await log.append([note("lost or late")])
            with pytest.raises(LogUnavailableError):
                await log.append([note("while it is away")])  # needs a new connection
            with pytest.raises(LogUnavailableError):
                await log.heads()
            assert time.monotonic() - started < 3 * BOUND_SECONDS
            assert log.health() is not None
        answered += await log.append([note("after")])
        assert log.health() is None
        await log.aclose()
        assert_stands(engine, answered)

    asyncio.run(main())


def test_a_restart_costs_the_transactions_of_its_time_and_no_more(
    server: PostgresServer, engine: Engine
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        answered = await log.append([note("before")])
        server.kill()
        with pytest.raises(LogUnavailableError):
            await log.append([note("while it is down")])
        server.start()
        answered += await log.append([note("after")])
        await asyncio.gather(log.heads(), log.heads(), log.heads())
        server.kill()
        server.start()
        # The kept connections are dead: found and replaced before anything is asked on them.
        answered += await log.append([note("at once")])
        assert await log.journal() == []
        await log.aclose()
        assert_stands(engine, answered)

    asyncio.run(main())


def test_a_lock_that_is_held_is_waited_for_so_long_and_no_longer(
    server: PostgresServer, engine: Engine
) -> None:
    async def main(other: Engine) -> None:
        log = await open_log(engine)
        for lock, waits in ((ORIGIN, True), ("another log", False), ("", True), (None, False)):
            with write_transaction(other, lock, statement_seconds=60):
                if not waits:
                    await log.append([note("not held up")])
                    continue
                started = time.monotonic()
                with pytest.raises(LogUnavailableError, match="lock"):
                    await log.append([note("held up")])
                assert BUSY_SECONDS * 0.8 < time.monotonic() - started < BOUND_SECONDS
            await log.append([note("goes on")])
        await log.aclose()
        assert verify(engine).word in (Word.UNANCHORED, Word.OK)

    with opened(server, engine.url.database) as other:
        asyncio.run(main(other))


def test_a_writer_that_stopped_in_its_transaction_does_not_hold_the_log(
    server: PostgresServer, engine: Engine
) -> None:
    def stop_inside() -> None:
        with write_transaction(engine, "log") as connection:
            shown = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
            assert shown == "30s"
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 100")
            time.sleep(0.5)
            with opened(server, engine.url.database) as other, write_transaction(other, "log"):
                pass
            log_store.read_head(connection, "log")

    with pytest.raises(StorageError, match="idle"):
        stop_inside()


def test_what_no_standby_confirmed_is_not_answered(server: PostgresServer, engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        answered = await log.append([note("before")])
        server.change_setting("synchronous_standby_names", "absent")
        try:
            with pytest.raises(LogUnavailableError, match="did not answer"):
                await log.append([note("here alone")])
            server.run(CANCEL_STANDBY_WAITS)
            # Somebody cancels the wait: the server then says that it has committed, and warns.
            pending = asyncio.create_task(log.append([note("here alone, too")]))
            await asyncio.sleep(0.4)
            assert server.run(CANCEL_STANDBY_WAITS)
            with pytest.raises(LogUnavailableError, match="one server only"):
                await pending
        finally:
            server.change_setting("synchronous_standby_names", None)
        answered += await log.append([note("after")])
        await log.aclose()
        assert_stands(engine, answered)

    asyncio.run(main())


def test_scrubbed_keys_are_in_no_file_of_the_server(server: PostgresServer) -> None:
    name = server.new_database()
    secret = b"the wrapped key of somebody who asked to be forgotten"
    with opened(server, name) as engine:
        rows = [
            MonthKeyRow(f"log/{at}/c/2026-11", str(at), "c", "2026-11", secret) for at in range(50)
        ]
        with write_transaction(engine, "log") as connection:
            payload_store.insert_month_keys(connection, rows)
        server.run("CHECKPOINT")
        assert files_with(server, secret)
        with write_transaction(engine, "log") as connection:
            connection.exec_driver_sql("DELETE FROM month_keys")
        with read_transaction(engine) as reader:
            log_store.read_head(reader, "log")  # an older state, of other tables
            with write_transaction(engine, "log") as connection:
                connection.execute(
                    text("INSERT INTO month_keys VALUES ('x', 'r', 'c', '2026-11', :key)"),
                    {"key": secret},
                )
            with write_transaction(engine, "log") as connection:
                connection.exec_driver_sql("DELETE FROM month_keys")
            with pytest.raises(StorageError, match="reader"):
                scrub(engine)
        scrub(engine)
    assert files_with(server, secret) == []


def files_with(server: PostgresServer, secret: bytes) -> list[Path]:
    """The server's files that hold these bytes, its write-ahead log included."""
    data = server.folder / "data"
    files = [path for path in data.rglob("*") if path.is_file()]
    return [path.relative_to(data) for path in files if secret in path.read_bytes()]


def test_an_owner_who_is_no_superuser_may_do_all_of_it(server: PostgresServer) -> None:
    server.run(
        "CREATE ROLE plain LOGIN PASSWORD 'plain-1'",
        "CREATE DATABASE plain OWNER plain ENCODING 'UTF8' TEMPLATE template0",
    )
    address = server.url("plain").replace(f"gateway:{server.password}", "plain:plain-1")
    engine = open_database(address)

    async def main() -> None:
        migrate(engine)
        log = await open_log(engine)
        answered = await log.append([note("a"), note("b")], [payload("1" * 48)])
        await log.aclose()
        scrub(engine)
        assert_stands(engine, answered)

    asyncio.run(main())
    engine.dispose()


def test_an_older_state_may_be_read_while_many_write(
    server: PostgresServer, engine: Engine
) -> None:
    def write(number: int) -> None:
        for at in range(20):
            with write_transaction(engine, f"log {number % 2}") as connection:
                head = log_store.read_head(connection, f"log {number % 2}")
                seq = 0 if head is None else head[0] + 1
                rows = [EntryRow(seq + step, b"%d" % at, bytes(32)) for step in range(3)]
                log_store.insert_entries(connection, f"log {number % 2}", rows)

    with read_transaction(engine) as reader:
        assert log_store.read_head(reader, "log 0") is None
        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log_store.read_head(reader, "log 0") is None
    with read_transaction(engine) as reader:
        for name in ("log 0", "log 1"):
            seqs = [row.seq for row in log_store.read_entries(reader, name, 0)]
            assert seqs == list(range(180))


def test_a_database_that_is_too_new_is_named_without_its_password(server: PostgresServer) -> None:
    name = server.new_database()
    with opened(server, name) as engine:
        with write_transaction(engine) as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(ConfigError, match="newer") as caught:
            migrate(engine)
        assert server.password not in str(caught.value)


def assert_stands(engine: Engine, answered: list[Appended]) -> None:
    """Every answered entry is where it was answered to be, and the log verifies."""
    verdict = verify(engine)
    assert verdict.word in (Word.UNANCHORED, Word.OK), verdict.sentence
    with read_transaction(engine) as connection:
        leaves = {row.seq: row.leaf_hash for row in log_store.read_entries(connection, ORIGIN, 0)}
    assert len(leaves) == len(stored_entries(engine))
    for place in answered:
        assert leaves[place.seq] == place.leaf_hash
