"""Taking a backup while the gateway serves."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from gateway.backup.errors import BackupError
from gateway.backup.manifest import (
    CHECKPOINT_FILE,
    DATABASE_FILES,
    MANIFEST_FILE,
    Manifest,
    encode_manifest,
    sha256_of,
)
from gateway.clock import format_time
from gateway.durable_files import sync_file, sync_folder
from gateway.errors import VerificationError
from gateway.storage.dumping import OnPages, dump_database, store_of
from gateway.storage.log_store import CheckpointRow
from gateway.transparency.checkpoint import open_checkpoint_by_any
from gateway.transparency.notes import Verifier

_STAMP = str.maketrans({":": "", "-": "", ".": ""})


def take_backup(
    url: str,
    verifiers: Sequence[Verifier],
    folder: Path,
    region: str,
    now_us: int,
    on_pages: OnPages = lambda done, total: None,
) -> tuple[Path, Manifest]:
    """One consistent copy in a new folder below `folder`, which is whole or not there.

    `url` is the database's, `verifiers` the log's keys: a copy whose newest checkpoint none of them
    signed is thrown away. Raises BackupError, StorageError and ConfigError.
    """
    log = verifiers[0].name
    name = format_time(now_us)[:19].translate(_STAMP) + "Z"
    place, part = folder / name, folder / f".{name}.part"
    if place.exists():
        raise BackupError(f"{place} is there already; wait a second")
    try:
        part.mkdir(parents=True, mode=0o700)
        store = store_of(url)
        row = dump_database(url, log, part / DATABASE_FILES[store], on_pages)
        if row is None:
            raise BackupError(
                f"log {log} has no checkpoint in this database: nothing to vouch for it"
            )
        _verify_signed(row, verifiers)
        manifest = Manifest(
            log=log,
            time=format_time(now_us),
            size=row.size,
            root=row.root.hex(),
            store=store,
            sha256=sha256_of(part / DATABASE_FILES[store]),
            region=region,
        )
        (part / CHECKPOINT_FILE).write_text(row.note, encoding="utf-8")
        (part / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
        _sync(part)
        part.rename(place)
        sync_folder(folder)
    except OSError as error:
        raise BackupError(f"{place} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place, manifest


def _verify_signed(row: CheckpointRow, verifiers: Sequence[Verifier]) -> None:
    try:
        checkpoint = open_checkpoint_by_any(row.note, verifiers)
    except VerificationError as error:
        raise BackupError(f"the newest checkpoint does not hold: {error}") from None
    if (checkpoint.size, checkpoint.root) != (row.size, row.root):
        raise BackupError("the newest checkpoint's row is not what was signed; verify the log")


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        sync_file(path)
    sync_folder(folder)
