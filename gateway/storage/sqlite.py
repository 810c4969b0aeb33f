"""SQLite: the file, its settings, how its transactions begin, and how erased rows leave it."""

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.durable_files import sync_folder
from gateway.errors import ConfigError
from gateway.storage.errors import StorageError, describe_address

BEGIN_WRITING = "BEGIN IMMEDIATE"
BEGIN_READING = "BEGIN"
_SCRUB_PATIENCE_MS = 250


def open_sqlite(url: URL, busy_timeout_seconds: float) -> Engine:
    """The engine over the file, made with mode 0600 if absent; raises ConfigError."""
    _prepare_file(url)
    engine = create_engine(url, hide_parameters=True)

    def on_connect(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the engine's begin event starts transactions
        for pragma in (
            f"busy_timeout={int(busy_timeout_seconds * 1000)}",  # first: WAL itself may wait
            "synchronous=FULL",
            "wal_autocheckpoint=8000",  # pages of 4 KiB: at 1,000 its syncs halve the append rate
            "foreign_keys=ON",
            "secure_delete=ON",  # an erased key must not live on in free pages
        ):
            connection.execute(f"PRAGMA {pragma}")
        # Where it cannot be set, SQLite says so in its answer alone and goes on with a rollback
        # journal, whose commits a loss of power may undo.
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError(f"it stays in journal mode {mode}, not wal")
        # This makes the write-ahead log's file where there is none. SQLite syncs its name with the
        # first commit, and does not look whether that worked.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        _sync_folder(Path(url.database or "").parent)

    event.listen(engine, "connect", on_connect)
    return engine


def scrub_sqlite(engine: Engine) -> None:
    """Fold the write-ahead log into the file, over what `secure_delete` overwrote, and empty it;
    raises StorageError while a reader holds an older state."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        patience_ms = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        # While it waits for readers nobody can write.
        cursor.execute(f"PRAGMA busy_timeout={min(patience_ms, _SCRUB_PATIENCE_MS)}")
        try:
            row = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={patience_ms}")
    except sqlite3.Error as error:
        raise StorageError(f"{error} ({describe_address(engine.url)})") from None
    finally:
        connection.close()
    if row[0]:
        raise StorageError(
            f"erased rows are still in the write-ahead log of {describe_address(engine.url)}: a "
            "reader holds it; try again when it has ended"
        )


def _prepare_file(url: URL) -> None:
    name = url.database
    if not name or name == ":memory:" or name.startswith("file:"):
        raise ConfigError("the log needs a file to be durable: write sqlite:///path/to/file.db")
    path = Path(name)
    if not path.parent.is_dir():
        raise ConfigError(f"the database folder {path.parent} is not there: make it, mode 0700")
    try:
        # The -wal and -shm files take their mode from this one. A file that is there is not opened:
        # closing it would drop the locks of this process's other connections to it
        # (https://www.sqlite.org/howtocorrupt.html, 2.2).
        if not path.exists():
            with suppress(FileExistsError):  # another process was first
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
            why = "Permission denied" if path.is_file() else "Is a directory"
            raise ConfigError(f"cannot open the database file {path}: {why}")
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"cannot open the database file {path}: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    """Make the names in it durable; raises the driver's own error, as the rest of a connect."""
    try:
        sync_folder(folder)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EINVAL):  # may not, or cannot, be synced
            why = f"the names in {folder} cannot be made durable: {error.strerror}"
            raise sqlite3.OperationalError(why) from None
