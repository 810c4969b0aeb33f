"""Taking a backup while the gateway serves."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, make_url, text

from gateway.backup.errors import BackupError
from gateway.backup.manifest import (
    CHECKPOINT_FILE,
    DATABASE_FILES,
    MANIFEST_FILE,
    POSTGRESQL,
    SQLITE,
    Manifest,
    encode_manifest,
    sha256_of,
)
from gateway.clock import format_time
from gateway.errors import VerificationError
from gateway.storage import log_store
from gateway.storage.engine import open_database, read_transaction
from gateway.storage.log_store import CheckpointRow
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.notes import Verifier

OnPages = Callable[[int, int], None]

_PAGES = 2_000  # a step: the writer waits for no more than this
_PAUSE_SECONDS = 0.01
_DUMP_SECONDS = 6 * 3600
_BUSY_SECONDS = 30.0
_NEWEST = "SELECT size, root, note, edge FROM checkpoints WHERE log = ? ORDER BY size DESC LIMIT 1"
_STAMP = str.maketrans({":": "", "-": "", ".": ""})


def take_backup(
    url: str,
    verifier: Verifier,
    folder: Path,
    region: str,
    now_us: int,
    on_pages: OnPages = lambda done, total: None,
) -> tuple[Path, Manifest]:
    """One consistent copy in a new folder below `folder`, which is whole or not there.

    `url` is the database's, `verifier` the log's key: a copy whose newest checkpoint it did not
    sign is thrown away. Raises BackupError, StorageError and ConfigError.
    """
    name = format_time(now_us)[:19].translate(_STAMP) + "Z"
    place, part = folder / name, folder / f".{name}.part"
    if place.exists():
        raise BackupError(f"{place} is there already; wait a second")
    try:
        part.mkdir(parents=True, mode=0o700)
        store, row = _copy(url, verifier.name, part, on_pages)
        manifest = Manifest(
            log=verifier.name,
            time=format_time(now_us),
            size=row.size,
            root=row.root.hex(),
            store=store,
            sha256=sha256_of(part / DATABASE_FILES[store]),
            region=region,
        )
        _verify_signed(row, verifier)
        (part / CHECKPOINT_FILE).write_text(row.note, encoding="utf-8")
        (part / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
        _sync(part)
        part.rename(place)
        _sync_folder(folder)
    except OSError as error:
        raise BackupError(f"{place} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place, manifest


def _copy(url: str, log: str, part: Path, on_pages: OnPages) -> tuple[str, CheckpointRow]:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        target = part / DATABASE_FILES[SQLITE]
        row = _copy_sqlite(Path(parsed.database or ""), target, log, on_pages)
        return SQLITE, _require(row, log)
    return POSTGRESQL, _dump_postgresql(url, parsed, log, part / DATABASE_FILES[POSTGRESQL])


def _copy_sqlite(source: Path, target: Path, log: str, on_pages: OnPages) -> CheckpointRow | None:
    """SQLite's online backup: pages, some at a time; what is written meanwhile is in it. Gives the
    newest checkpoint in the copy."""
    if not source.is_file():
        raise BackupError(f"{source}: there is no database")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with (
            closing(sqlite3.connect(source, timeout=_BUSY_SECONDS)) as old,
            closing(sqlite3.connect(target, isolation_level=None)) as new,
        ):
            old.backup(
                new,
                pages=_PAGES,
                progress=lambda _status, left, total: on_pages(total - left, total),
                sleep=_PAUSE_SECONDS,
            )
            new.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            found = new.execute(_NEWEST, (log,)).fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}") from None
    return None if found is None else CheckpointRow(*found)


def _dump_postgresql(url: str, parsed: URL, log: str, target: Path) -> CheckpointRow:
    """`pg_dump` over an exported snapshot, so that the checkpoint read here is the copy's."""
    program = find_program("pg_dump")
    engine = open_database(url)
    try:
        with read_transaction(engine, statement_seconds=_DUMP_SECONDS) as connection:
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar()
            row = _require(log_store.read_last_checkpoint(connection, log), log)
            run_postgresql(
                [program, "--format=custom", f"--file={target}", f"--snapshot={snapshot}"], parsed
            )
    finally:
        engine.dispose()
    target.chmod(0o600)
    return row


def run_postgresql(command: list[str], parsed: URL) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment."""
    done = subprocess.run(  # noqa: S603 - our own words and the configured database
        [*command, "--no-password"],
        env={**os.environ, **_environment(parsed)},
        capture_output=True,
        text=True,
        timeout=_DUMP_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason was given"]
        raise BackupError(f"{Path(command[0]).name} failed: {lines[0]}")


def find_program(name: str) -> str:
    """A program of PostgreSQL's, the newest; raises BackupError."""
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or (str(packaged[0]) if packaged else None)
    if found is None:
        raise BackupError(f"{name} is not here: install the PostgreSQL client programs")
    return found


def _environment(parsed: URL) -> Mapping[str, str]:
    told = {
        "PGHOST": parsed.host or str(parsed.query.get("host", "")),
        "PGPORT": str(parsed.port or parsed.query.get("port", "")),
        "PGUSER": parsed.username or "",
        "PGPASSWORD": str(parsed.password or ""),
        "PGDATABASE": parsed.database or "",
    }
    told |= {f"PG{name.upper()}": str(value) for name, value in parsed.query.items()
             if name.startswith("ssl")}  # fmt: skip
    return {name: value for name, value in told.items() if value}


def _require(row: CheckpointRow | None, log: str) -> CheckpointRow:
    if row is None:
        raise BackupError(f"log {log} has no checkpoint in this database: nothing to vouch for it")
    return row


def _verify_signed(row: CheckpointRow, verifier: Verifier) -> None:
    try:
        checkpoint = open_checkpoint(row.note, verifier)
    except VerificationError as error:
        raise BackupError(f"the newest checkpoint does not hold: {error}") from None
    if (checkpoint.size, checkpoint.root) != (row.size, row.root):
        raise BackupError("the newest checkpoint's row is not what was signed; verify the log")


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
