"""A log with a backup from its middle and an archive of its whole, and a gateway's settings for
it. Its journal is lawful: a bundle in force, protections, an erasure that two people decided."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway import canonical
from gateway.archive.archiver import Archiver
from gateway.archive.folder import FolderStore
from gateway.archive.writing import ArchiveTerms
from gateway.audit.port import Payload, Removal
from gateway.backup.taking import take_backup
from gateway.changes.journal import Journal, JournalDraft
from gateway.changes.state import Governance
from gateway.clock import SystemClock, format_time, parse_time
from gateway.configuration import GatewayConfig, load_configuration
from gateway.storage import log_store
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.bundles_store import SqlBundleStore
from gateway.storage.engine import Engine, open_database, read_transaction
from gateway.transparency.archive_reader import FolderReader
from gateway.transparency.archive_source import ArchiveSource
from gateway.transparency.segments import log_folder
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, payload

NOW_US = parse_time("2026-03-01T10:00:00.000000Z")
REGION = "eu-west-1"
TERMS = ArchiveTerms(REGION, 7, segment_entries=300)
ERASED, LATER = "1" * 48, "2" * 48
IN_BACKUP = 400
AFTER = 700
ALICE, BOB = "spiffe://example.org/author/alice", "spiffe://example.org/approver/bob"
BUNDLE = "b" * 64
KEY_SEED = b"checkpoint key of the tests 0001"  # SIGNER's


@dataclass(frozen=True)
class Disaster:
    """`database` went on after `backup` was taken; `archive` has all of it. `url`: where the
    database is no file."""

    database: Path
    backup: Path
    archive: Path
    url: str = ""

    def newest(self) -> str:
        """The newest checkpoint that anybody has seen."""
        engine = open_database(self.url or f"sqlite:///{self.database}")
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


def make_disaster(folder: Path, url: str = "") -> Disaster:
    """Entries, a backup, more entries with an erasure and a payload among them, an archive."""
    database = folder / "log.db"
    engine = open_database(url) if url else open_engine(database)
    SqlBundleStore(engine).put(BUNDLE, b"the bundle")
    _write(engine, IN_BACKUP, (payload(ERASED),))
    erasure = asyncio.run(_govern(engine))
    backup, _ = take_backup(
        url or f"sqlite:///{database}", [SIGNER.verifier], folder / "backups", REGION, NOW_US
    )
    archive = folder / "archive" / log_folder(ORIGIN)
    for _ in range(2):
        _write(engine, AFTER // 2, ())
        _archive(engine, archive)
    asyncio.run(_erase(engine, erasure))
    _archive(engine, archive)
    engine.dispose()
    return Disaster(database, backup, archive, url)


def _write(engine: Engine, count: int, payloads: tuple[Payload, ...]) -> None:
    async def write() -> None:
        log = await open_log(engine)
        await log.append([note(f"n{number}") for number in range(count)], payloads)
        await log.aclose()

    asyncio.run(write())


async def _govern(engine: Engine) -> str:
    """A bundle, a confirmed protection, and an approved erasure, whose id is given."""
    log = await open_log(engine)
    journal = Journal(log, SystemClock())
    await _note(journal, "bundle.activated", ALICE, bundle=BUNDLE, revision="r1", version=1,
                floor_note="", id=None, activation=None)  # fmt: skip
    added = (await _protect(journal, "^ledger-")).journal
    await _note(journal, "change.approved", BOB, id=f"c{added}", bundle="", losses_hash="")
    await _protect(journal, "^edge-")
    month = f"{ORIGIN}/{REGION}/standard/{format_time(SystemClock().now_us())[:7]}"
    subject: dict[str, canonical.Value] = {"classes": [ERASED], "months": [month], "request": "R"}
    staged = await _note(journal, "change.staged", ALICE, kind="erasure", subject=subject)
    change = f"c{staged.journal}"
    await _note(journal, "change.approved", BOB, id=change, bundle="", losses_hash="")
    await log.aclose()
    return change


async def _erase(engine: Engine, change: str) -> None:
    """What the erasure asks for, a protection that nobody confirmed yet, a payload."""
    log = await open_log(engine)
    journal = Journal(log, SystemClock())
    removal = Removal(class_ids=(ERASED,))
    await _note(journal, "payloads.erased", ACTOR, removal=removal, id=change, classes=[ERASED],
                request="R")  # fmt: skip
    await _protect(journal, "^patient-")
    await log.append([note("later")], [payload(LATER)])
    await log.aclose()


async def _protect(journal: Journal, regex: str) -> Governance:
    row: dict[str, canonical.Value] = {
        "id": f"row{regex}", "regex": regex, "control": "C/1", "reason": "a test"
    }  # fmt: skip
    return await _note(journal, "protection.added", ALICE, row=row)


async def _note(
    journal: Journal, type: str, user: str, removal: Removal | None = None, **body: Any
) -> Governance:
    change: Mapping[str, canonical.Value] = {
        "user": user, "change_type": type, "previous_value": "", "new_value": "",
        "justification": "a test", "approval_id": "A-1",
    }  # fmt: skip

    def place(seq: int) -> Mapping[str, canonical.Value]:
        numbered = {"activation": seq} if "activation" in body else {}
        return {**body, **numbered, "change": dict(change), "key": f"key of {user}"}

    return await journal.append(ACTOR, lambda _: [JournalDraft(type, place, removal)])


def settle_in(
    folder: Path,
    archive: Path | None = None,
    kept: Sequence[Path] = (),
    origin: str = ORIGIN,
    **log: Any,
) -> tuple[GatewayConfig, Path]:
    """A gateway's settings in `folder`: its database is `log.db` there. Only what has to do with
    the log is real."""
    key = Ed25519PrivateKey.from_private_bytes(KEY_SEED)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "checkpoint.key").write_bytes(pem)
    settings: dict[str, Any] = {
        "trust_domain": "example.org",
        "tls": {"certificate": "a", "key": "b", "ca": "c"},
        "log": {
            "origin": origin,
            "database": "sqlite:///log.db",
            "checkpoint_key": "checkpoint.key",
            "region": REGION,
            "kept_checkpoints": [str(path) for path in kept],
            **log,
        },
        "policies": {"bundle": "a", "bundle_keys": ["b"]},
        "key_service": {"age_identity": "a"},
    }
    if archive is not None:
        settings["archive"] = {"folder": str(archive.parent), "region": REGION}
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return load_configuration(path), path


def _archive(engine: Engine, folder: Path) -> None:
    status = Archiver(
        SqlSealedLog(engine, ORIGIN), FolderStore(folder), TERMS, SystemClock()
    ).run_once()
    assert status.archived == status.sealed
