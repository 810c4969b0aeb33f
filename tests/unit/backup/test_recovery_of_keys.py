"""A backup from before the log's key changed hands is brought up to what came after."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway import canonical
from gateway.archive.archiver import Archiver
from gateway.archive.folder import FolderStore
from gateway.audit.port import Draft
from gateway.audit.sql_log import SqlLog
from gateway.backup.recovery import Recovered, recover
from gateway.backup.taking import take_backup
from gateway.clock import SystemClock
from gateway.errors import ConfigError
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine
from gateway.transparency.archive_reader import FolderReader
from gateway.transparency.archive_source import ArchiveSource
from gateway.transparency.notes import Signer, Verifier
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.backups import NOW_US, REGION, TERMS
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import NEXT, SIGNER, note, open_engine, stored_entries


class World:
    """A backup, then a hand-over and more entries, all archived at once."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_engine(folder / "log.db")
        asyncio.run(self._write(SIGNER, "before"))
        url = f"sqlite:///{folder / 'log.db'}"
        self.backup, _ = take_backup(url, [SIGNER.verifier], folder / "b", REGION, NOW_US)
        asyncio.run(self._write(SIGNER, "then", is_handing_over=True))
        asyncio.run(self._write(NEXT, "after"))
        self.archive = folder / "archive"
        log = SqlSealedLog(self.engine, ORIGIN)
        Archiver(log, FolderStore(self.archive), TERMS, SystemClock()).run_once()

    async def _write(self, signer: Signer, text: str, *, is_handing_over: bool = False) -> None:
        log = await SqlLog.open(
            self.engine, ORIGIN, signer, MemoryKeyService(), SystemClock(), ACTOR,
            checkpoint_interval_seconds=1e6, next_signer=NEXT if signer is SIGNER else None,
        )  # fmt: skip
        await log.append([note(f"{text} {number}") for number in range(5)])
        if is_handing_over:
            body: canonical.Value = {
                "id": "c1", "new": NEXT.vkey, "old": SIGNER.vkey, "prior": None
            }  # fmt: skip
            draft = Draft("key.handed-over", ACTOR, canonical.encode(body))
            await log.append([draft], after=-1)
            await log.append([note(f"{text}, under the next key")])
        await log.aclose()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("keys"))
    yield made
    made.engine.dispose()


@pytest.fixture
def restored(world: World, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(world.backup / "log.db", tmp_path / "log.db")
    engine = open_engine(tmp_path / "log.db")
    yield engine
    engine.dispose()


def recovered(engine: Engine, world: World, *held: Verifier) -> Recovered:
    with closing(ArchiveSource(FolderReader(world.archive))) as archive:
        return recover(engine, held, archive)


def test_hand_overs_are_followed(world: World, restored: Engine) -> None:
    found = recovered(restored, world, NEXT.verifier)
    assert found.count > 10
    assert stored_entries(restored) == stored_entries(world.engine)
    with closing(SqliteSource(Path(str(restored.url.database)))) as source:
        verdict = verify_log(source, ORIGIN, NEXT.verifier)
    assert verdict.word is Word.UNANCHORED, verdict.sentence
    assert verdict.keys == (SIGNER.vkey, NEXT.vkey)


def test_the_archive_alone_shows_the_hand_over(world: World) -> None:
    with closing(ArchiveSource(FolderReader(world.archive))) as archive:
        verdict = verify_log(archive, ORIGIN, NEXT.verifier)
    assert verdict.word is Word.UNANCHORED, verdict.sentence
    assert verdict.keys == (SIGNER.vkey, NEXT.vkey)


def test_the_key_that_is_held_must_be_the_newest(world: World, restored: Engine) -> None:
    with pytest.raises(ConfigError, match="not the configured one"):
        recovered(restored, world, SIGNER.verifier)
