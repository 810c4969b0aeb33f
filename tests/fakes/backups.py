"""A log with a backup from its middle and an archive of its whole."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from gateway import canonical
from gateway.archive.archiver import Archiver
from gateway.archive.folder import FolderStore
from gateway.archive.writing import ArchiveTerms
from gateway.audit.port import Draft, Payload, Removal
from gateway.audit.sql_log import SqlLog
from gateway.backup.taking import take_backup
from gateway.clock import SystemClock, parse_time
from gateway.storage import log_store
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.archive_reader import FolderReader
from gateway.transparency.archive_source import ArchiveSource
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, payload

NOW_US = parse_time("2026-03-01T10:00:00.000000Z")
REGION = "eu-west-1"
TERMS = ArchiveTerms(REGION, 7, segment_entries=300)
ERASED, LATER = "1" * 48, "2" * 48
IN_BACKUP = 400
AFTER = 700


@dataclass(frozen=True)
class Disaster:
    """`database` went on after `backup` was taken; `archive` has all of it."""

    database: Path
    backup: Path
    archive: Path

    def newest(self) -> str:
        """The newest checkpoint that anybody has seen."""
        engine = open_engine(self.database)
        try:
            with read_transaction(engine) as connection:
                row = log_store.read_last_checkpoint(connection, ORIGIN)
            assert row is not None
            return row.note
        finally:
            engine.dispose()

    def archived(self) -> ArchiveSource:
        """The archive, to read."""
        return ArchiveSource(FolderReader(self.archive))


def make_disaster(folder: Path) -> Disaster:
    """Entries, a backup, more entries with an erasure and a payload among them, an archive."""
    database = folder / "log.db"
    engine = open_engine(database)
    _write(engine, IN_BACKUP, (payload(ERASED),))
    backup, _ = take_backup(
        f"sqlite:///{database}", [SIGNER.verifier], folder / "backups", REGION, NOW_US
    )
    archive = folder / "archive"
    for _ in range(2):
        _write(engine, AFTER // 2, ())
        _archive(engine, archive)
    asyncio.run(_erase(engine))
    _archive(engine, archive)
    engine.dispose()
    return Disaster(database, backup, archive)


def _write(engine: Engine, count: int, payloads: tuple[Payload, ...]) -> None:
    async def write() -> None:
        log = await open_log(engine)
        await log.append([note(f"n{number}") for number in range(count)], payloads)
        await log.aclose()

    asyncio.run(write())


async def _erase(engine: Engine) -> None:
    log = await open_log(engine)
    await _append_erasure(log)
    await log.append([note("later")], [payload(LATER)])
    await log.aclose()


async def _append_erasure(log: SqlLog) -> None:
    body = canonical.encode({"classes": [ERASED], "id": "c1", "prior": None, "request": "R"})
    draft = Draft("payloads.erased", ACTOR, body)
    await log.append([draft], after=-1, removal=Removal(class_ids=(ERASED,)))


def _archive(engine: Engine, folder: Path) -> None:
    status = Archiver(
        SqlSealedLog(engine, ORIGIN), FolderStore(folder), TERMS, SystemClock()
    ).run_once()
    assert status.archived == status.sealed
