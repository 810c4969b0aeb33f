"""Putting a backup in the database's place."""

import shutil
from pathlib import Path

from gateway.backup.errors import BackupError
from gateway.backup.manifest import Manifest, read_manifest, sha256_of
from gateway.durable_files import sync_file, sync_folder
from gateway.storage.dumping import SQLITE, load_dump, sqlite_file, store_of

_BESIDE = ("", "-wal", "-shm", "-journal")


def put_back(folder: Path, url: str, log: str, *, set_aside: str | None = None) -> Manifest:
    """Make the database at `url` what the backup in `folder` holds; gives the backup's manifest.

    A SQLite database that is there already is renamed with `set_aside` at its end, or refused when
    that is None; a PostgreSQL database must be empty. Raises BackupError, StorageError and
    ConfigError, and then what was there is there.
    """
    manifest = read_manifest(folder)
    if manifest.log != log:
        raise BackupError(f"{folder} is a backup of log {manifest.log!r}, not of {log!r}")
    store = store_of(url)
    if store != manifest.store:
        raise BackupError(
            f"{folder} is a backup from {manifest.store}, the database is {store}: name a database "
            "of the same kind in log.database"
        )
    if store == SQLITE:
        _put_sqlite(folder / manifest.file, sqlite_file(url), manifest, set_aside)
    else:
        load_dump(url, folder / manifest.file)
    return manifest


def _put_sqlite(copy: Path, database: Path, manifest: Manifest, set_aside: str | None) -> None:
    part = database.with_name(f".{database.name}.part")
    try:
        shutil.copyfile(copy, part)
        part.chmod(0o600)
        if sha256_of(part) != manifest.sha256:
            raise BackupError(f"{copy} changed while it was read; try again")
        sync_file(part)
        if any(_beside(database, ending).exists() for ending in _BESIDE):
            if set_aside is None:
                raise BackupError(
                    f"{database} is there already: stop the gateway and say --replace; what is "
                    "there is kept beside it"
                )
            for ending in _BESIDE:  # a write-ahead log of the old one must not reach the new one
                if _beside(database, ending).exists():
                    kept = database.with_name(database.name + set_aside + ending)
                    _beside(database, ending).rename(kept)
        part.rename(database)
        sync_folder(database.parent)
    except OSError as error:
        raise BackupError(f"{database} cannot be put back: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _beside(database: Path, ending: str) -> Path:
    return database.with_name(database.name + ending)
