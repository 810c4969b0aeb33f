"""Backup and restore of a log in PostgreSQL, by its own programs, while gateways write."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.backup.manifest import read_manifest
from gateway.backup.taking import take_backup
from gateway.clock import SystemClock
from gateway.restoring import Reason, Restored, restore
from gateway.storage.engine import Engine, StorageError, open_database
from gateway.storage.postgresql_source import PostgresSource
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.backups import NOW_US, REGION, Disaster, make_disaster, settle_in
from tests.fakes.log import ORIGIN
from tests.fakes.postgresql import PostgresServer, running_postgres
from tests.fakes.sql_logs import SIGNER, note, open_log, stored_entries, verify


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        yield made


@pytest.fixture(scope="module")
def disaster(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Disaster:
    folder = tmp_path_factory.mktemp("disaster")
    return make_disaster(folder, server.url(server.new_database()))


def empty(server: PostgresServer, name: str) -> str:
    server.run(f"CREATE DATABASE {name}")
    return server.url(name)


def put_back(disaster: Disaster, folder: Path, url: str, *, archived: bool = True) -> Restored:
    config, path = settle_in(folder, disaster.archive if archived else None, database=url)
    anchor = folder / "anchor"
    anchor.write_text(disaster.newest(), encoding="utf-8")
    why = Reason("root", "a drill")
    held = [SIGNER.verifier]
    return asyncio.run(
        restore(config, path, held, disaster.backup, why, SystemClock(), files=[anchor])
    )


def entries_at(url: str) -> list[bytes]:
    engine = open_database(url)
    try:
        return stored_entries(engine)
    finally:
        engine.dispose()


def test_the_dump_is_of_one_moment(disaster: Disaster) -> None:
    manifest = read_manifest(disaster.backup)
    assert (manifest.store, manifest.file) == ("postgresql", "log.dump")
    assert (disaster.backup / manifest.file).stat().st_mode & 0o777 == 0o600
    kept = open_checkpoint((disaster.backup / "checkpoint").read_text(), SIGNER.verifier)
    assert kept.size == manifest.size


def test_put_back_and_recovered(disaster: Disaster, server: PostgresServer, tmp_path: Path) -> None:
    url = empty(server, "recovered")
    done = put_back(disaster, tmp_path, url)
    assert done.outlook.lost is None
    assert entries_at(url)[:-1] == entries_at(disaster.url)
    anchor = open_checkpoint(disaster.newest(), SIGNER.verifier)
    engine = open_database(url)
    asyncio.run(go_on(engine, 1))
    engine.dispose()
    source = PostgresSource(url, ORIGIN)
    try:
        verdict = verify_log(source, ORIGIN, SIGNER.verifier, [anchor])
    finally:
        source.close()
    assert verdict.word is Word.ERASED, verdict.sentence


def test_without_an_archive_it_is_behind(
    disaster: Disaster, server: PostgresServer, tmp_path: Path
) -> None:
    done = put_back(disaster, tmp_path, empty(server, "behind"), archived=False)
    assert done.outlook.lost is not None
    assert done.entry is None


def test_nothing_is_put_over_a_database(
    disaster: Disaster, server: PostgresServer, tmp_path: Path
) -> None:
    url = server.url(server.new_database())
    with pytest.raises(StorageError, match="not empty"):
        put_back(disaster, tmp_path, url)


def test_a_backup_while_a_gateway_writes(server: PostgresServer, tmp_path: Path) -> None:
    url = server.url(server.new_database())
    engine = open_database(url)
    asyncio.run(go_on(engine, 300))
    writer = threading.Thread(target=lambda: asyncio.run(go_on(engine, 2_000)))
    writer.start()
    backup, manifest = take_backup(url, [SIGNER.verifier], tmp_path, REGION, NOW_US)
    writer.join()
    engine.dispose()
    config, path = settle_in(tmp_path, database=empty(server, "meanwhile"))
    why = Reason("root", "a drill")
    done = asyncio.run(restore(config, path, [SIGNER.verifier], backup, why, SystemClock()))
    assert done.outlook.signed == manifest.size
    restored = open_database(server.url("meanwhile"))
    assert verify(restored).word in (Word.UNANCHORED, Word.OK_UNSEALED)
    restored.dispose()


async def go_on(engine: Engine, count: int) -> None:
    log = await open_log(engine, interval_seconds=0.01)
    for number in range(0, count, 20):
        await log.append([note(f"n{number + at}") for at in range(min(20, count))])
    await log.aclose()
