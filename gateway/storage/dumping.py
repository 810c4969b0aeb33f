"""Copies of whole databases, made while others write, and putting one into an empty database."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from shutil import which

from sqlalchemy import URL, inspect, text

from gateway.storage import log_store
from gateway.storage.engine import StorageError, open_database, parse_address, read_transaction
from gateway.storage.log_store import CheckpointRow

SQLITE, POSTGRESQL = "sqlite", "postgresql"

OnPages = Callable[[int, int], None]

_PAGES = 2_000  # a step: the writer waits for no more than this
_PAUSE_SECONDS = 0.01
_DUMP_SECONDS = 6 * 3600
_BUSY_SECONDS = 30.0
_NEWEST = "SELECT size, root, note, edge FROM checkpoints WHERE log = ? ORDER BY size DESC LIMIT 1"


def store_of(url: str) -> str:
    """SQLITE or POSTGRESQL; raises ConfigError."""
    return SQLITE if parse_address(url).get_backend_name() == "sqlite" else POSTGRESQL


def sqlite_file(url: str) -> Path:
    """The file of a SQLite database's address; raises ConfigError."""
    return Path(parse_address(url).database or "")


def dump_database(url: str, log: str, target: Path, on_pages: OnPages) -> CheckpointRow | None:
    """Make the new file `target` (mode 0600) one consistent copy of the database; gives the newest
    checkpoint of `log` in the copy. `on_pages(done, total)` hears of SQLite's progress.

    Raises StorageError and ConfigError.
    """
    if store_of(url) == SQLITE:
        return _dump_sqlite(sqlite_file(url), target, log, on_pages)
    return _dump_postgresql(url, log, target)


def load_dump(url: str, dump: Path) -> None:
    """Put a PostgreSQL dump into the empty database at `url`, all or nothing; raises StorageError,
    also when the database is not empty, and ConfigError."""
    parsed = parse_address(url)
    _verify_empty(url)
    command = [_find_program("pg_restore"), "--no-owner", "--exit-on-error"]
    command += ["--single-transaction", f"--dbname={parsed.database}", str(dump)]
    _run(command, parsed)


def _dump_sqlite(source: Path, target: Path, log: str, on_pages: OnPages) -> CheckpointRow | None:
    """SQLite's online backup: pages, some at a time; what is written meanwhile is in it."""
    if not source.is_file():
        raise StorageError(f"{source}: there is no database")
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
        raise StorageError(f"{source} cannot be copied: {error}") from None
    return None if found is None else CheckpointRow(*found)


def _dump_postgresql(url: str, log: str, target: Path) -> CheckpointRow | None:
    """`pg_dump` over an exported snapshot, so that the checkpoint read here is the copy's."""
    program = _find_program("pg_dump")
    engine = open_database(url)
    try:
        with read_transaction(engine, statement_seconds=_DUMP_SECONDS) as connection:
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar()
            row = log_store.read_last_checkpoint(connection, log)
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            command = [program, "--format=custom", f"--file={target}", f"--snapshot={snapshot}"]
            _run(command, parse_address(url))
    finally:
        engine.dispose()
    return row


def _run(command: list[str], parsed: URL) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment."""
    done = subprocess.run(  # noqa: S603 - our own words and the configured database
        [*command, "--no-password"],
        env={**os.environ, **_environment(parsed)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DUMP_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason was given"]
        raise StorageError(f"{Path(command[0]).name} failed: {lines[0]}")


def _find_program(name: str) -> str:
    """A program of PostgreSQL's, the newest: an older one refuses a newer server's dump."""
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version, reverse=True)
    found = which(name) or (str(packaged[0]) if packaged else None)
    if found is None:
        raise StorageError(f"{name} is not here: install the PostgreSQL client programs")
    return found


def _version(program: Path) -> int:
    text_ = program.parts[-3]
    return int(text_) if text_.isdigit() else 0


def _environment(parsed: URL) -> Mapping[str, str]:
    told = {
        "PGHOST": parsed.host or str(parsed.query.get("host", "")),
        "PGPORT": str(parsed.port or parsed.query.get("port", "")),
        "PGUSER": parsed.username or "",
        "PGPASSWORD": str(parsed.password or ""),
        "PGDATABASE": parsed.database or "",
    }
    ssl = {name: value for name, value in parsed.query.items() if name.startswith("ssl")}
    told |= {f"PG{name.upper()}": str(value) for name, value in ssl.items()}
    return {name: value for name, value in told.items() if value}


def _verify_empty(url: str) -> None:
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            names = inspect(connection).get_table_names()
    finally:
        engine.dispose()
    if names:
        raise StorageError(
            f"the database is not empty (it has {names[0]!r}): make a new one and name it in "
            "log.database"
        )
