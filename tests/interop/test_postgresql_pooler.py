"""pgbouncer in transaction mode between the gateway and its server: everybody shares two of the
server's connections, so that no setting, lock or prepared statement may outlive a transaction."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.storage.engine import Engine, open_database, read_transaction, write_transaction
from gateway.storage.postgresql_source import PostgresSource
from gateway.storage.schema import migrate
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.log import ORIGIN
from tests.fakes.postgresql import PARTS, USER, PostgresServer, free_port, running_postgres
from tests.fakes.sql_logs import SIGNER, note, open_log, payload, record, verify

DATABASE = "pooled"

pytestmark = pytest.mark.skipif(
    not (PARTS / "pgbouncer").exists(),
    reason="no pgbouncer: run `python3 deploy/postgresql.py pgbouncer`",
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        made.run(f"CREATE DATABASE {DATABASE}")
        yield made


@pytest.fixture(scope="module")
def address(server: PostgresServer) -> Iterator[str]:
    """The database's address at a pgbouncer that has two connections for everybody."""
    folder, port = Path(tempfile.mkdtemp(prefix="gateway-pgbouncer-")), free_port()
    (folder / "users").write_text(f'"gateway" "{server.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{DATABASE} = host=127.0.0.1 port={server.port} pool_size=2\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\npool_mode = transaction\n"
        f"auth_type = scram-sha-256\nauth_file = {folder}/users\nunix_socket_dir =\n"
        f"logfile = {folder}/log\n"
    )
    if USER is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, USER)
    process = subprocess.Popen(
        [(PARTS / "pgbouncer").resolve(), "-q", folder / "pgbouncer.ini"],
        user=USER,
        extra_groups=[] if os.geteuid() == 0 else None,
        cwd=folder,
    )
    url = server.url(DATABASE, port)
    for _ in range(200):
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(url, connect_timeout=2).close()
            break
        except psycopg.OperationalError:
            time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(timeout=20)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def engine(address: str) -> Iterator[Engine]:
    made = open_database(address)
    migrate(made)
    yield made
    made.dispose()


def test_several_writers_and_readers_share_two_connections(engine: Engine) -> None:
    async def main() -> None:
        logs = [await open_log(engine, interval_seconds=0.05) for _ in range(3)]

        async def write(number: int) -> None:
            log = logs[number]
            for at in range(25):
                sealed = [payload(f"{number:024x}{at:024x}")] if at % 5 == 0 else []
                await log.append([note(f"{number}-{at}-{part}") for part in range(at + 1)], sealed)
                await log.heads()

        await asyncio.gather(*(write(number) for number in range(3)))
        after = (await logs[0].heads()).journal
        await logs[0].append([record("change.staged", None)], after=after)
        assert [entry.type for entry in await logs[1].journal()] == ["change.staged"]
        await asyncio.gather(*(log.aclose() for log in logs))

    asyncio.run(main())
    verdict = verify(engine)
    assert verdict.word is Word.UNANCHORED, verdict.sentence
    assert verdict.entries > 3 * 25


def test_no_setting_outlives_its_transaction(engine: Engine) -> None:
    settings = "synchronous_commit", "statement_timeout", "lock_timeout"

    def shown() -> list[object]:
        with engine.connect() as connection:
            return [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in settings]

    before = shown()
    with write_transaction(engine, "log"):
        pass
    with read_transaction(engine) as connection:
        locks = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        )
        assert locks.scalar() == 0
    assert shown() == before


def test_the_log_verifies_through_the_pooler(address: str, engine: Engine) -> None:
    assert verify(engine).entries
    with PostgresSource(address) as source:
        opener = source.opener()
        assert opener is not None
        again = opener()
        assert again.estimate_entries() == source.estimate_entries()
        again.close()
        assert verify_log(source, ORIGIN, SIGNER.verifier).word is Word.UNANCHORED
