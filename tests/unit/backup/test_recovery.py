"""A backup put back and brought up to what the archive has: the same log, byte for byte."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.backup.errors import BackupError
from gateway.backup.manifest import read_manifest
from gateway.backup.recovery import Recovered, recover
from gateway.storage.engine import Engine
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verify import verify_log
from tests.fakes.backups import AFTER, ERASED, IN_BACKUP, REGION, Disaster, make_disaster
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, stored_entries


@pytest.fixture(scope="module")
def disaster(tmp_path_factory: pytest.TempPathFactory) -> Disaster:
    return make_disaster(tmp_path_factory.mktemp("disaster"))


@pytest.fixture
def restored(disaster: Disaster, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(disaster.backup / "log.db", tmp_path / "log.db")
    engine = open_engine(tmp_path / "log.db")
    yield engine
    engine.dispose()


def recovered(engine: Engine, disaster: Disaster) -> Recovered:
    with closing(disaster.archived()) as archive:
        return recover(engine, [SIGNER.verifier], archive)


def go_on(engine: Engine) -> None:
    async def write() -> None:
        log = await open_log(engine)
        await log.append([note("after the disaster")])
        await log.aclose()

    asyncio.run(write())


def test_the_backup_says_what_it_is(disaster: Disaster) -> None:
    manifest = read_manifest(disaster.backup)
    assert (manifest.log, manifest.region, manifest.store) == (ORIGIN, REGION, "sqlite")
    assert IN_BACKUP < manifest.size < IN_BACKUP + 10
    kept = open_checkpoint((disaster.backup / "checkpoint").read_text(), SIGNER.verifier)
    assert kept.size == manifest.size
    assert not list(disaster.backup.glob("*-wal"))


def test_what_came_after_the_backup_is_taken_from_the_archive(
    restored: Engine, disaster: Disaster
) -> None:
    found = recovered(restored, disaster)
    assert found.count > AFTER
    lost = open_engine(disaster.database)
    assert stored_entries(restored) == stored_entries(lost)
    lost.dispose()
    go_on(restored)
    anchor = open_checkpoint(disaster.newest(), SIGNER.verifier)
    source = SqliteSource(Path(str(restored.url.database)))
    verdict = verify_log(source, ORIGIN, SIGNER.verifier, [anchor])
    source.close()
    assert verdict.exit_code != 1 or "payload" in verdict.sentence, verdict.sentence
    assert verdict.entries > found.last


def test_an_erasure_after_the_backup_is_done_again(restored: Engine, disaster: Disaster) -> None:
    path = str(restored.url.database)
    query = "SELECT count(*) FROM payloads WHERE class_id = ?"
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(query, (ERASED,)).fetchone() == (1,)
    recovered(restored, disaster)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(query, (ERASED,)).fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM payload_keys").fetchone() == (0,)


def test_recovering_twice_does_nothing_more(restored: Engine, disaster: Disaster) -> None:
    recovered(restored, disaster)
    assert recovered(restored, disaster).count == 0


def test_a_copy_that_went_on_by_itself_is_another_history(
    restored: Engine, disaster: Disaster
) -> None:
    go_on(restored)
    before = stored_entries(restored)
    with pytest.raises(BackupError, match="different histories"):
        recovered(restored, disaster)
    assert stored_entries(restored) == before


def test_an_archive_with_a_gap_says_which_entry(disaster: Disaster, tmp_path: Path) -> None:
    archive = shutil.copytree(disaster.archive, tmp_path / "archive")
    size = read_manifest(disaster.backup).size
    gone = next(
        path
        for path in sorted(archive.rglob("*.segment"))
        if int(path.stem.partition("-")[0]) > size
    )
    gone.chmod(0o600)
    gone.unlink()
    shutil.copy(disaster.backup / "log.db", tmp_path / "log.db")
    engine = open_engine(tmp_path / "log.db")
    damaged = Disaster(disaster.database, disaster.backup, archive)
    with pytest.raises(BackupError, match=r"entry \d+ of log"):
        recovered(engine, damaged)
    engine.dispose()


def test_a_damaged_backup_is_refused(disaster: Disaster, tmp_path: Path) -> None:
    copy = shutil.copytree(disaster.backup, tmp_path / "copy")
    data = bytearray((copy / "log.db").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "log.db").write_bytes(bytes(data))
    with pytest.raises(BackupError, match="damaged or"):
        read_manifest(copy)
