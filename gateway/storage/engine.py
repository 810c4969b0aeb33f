"""Opening the database and its transactions.

SQLite is the embedded default and what is tested. PostgreSQL addresses are taken when psycopg 3 is
installed, but nothing of the log has been tested on it yet.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.errors import ConfigError, GatewayError

__all__ = [
    "Connection",
    "Engine",
    "StorageError",
    "open_database",
    "read_transaction",
    "write_transaction",
]

BUSY_TIMEOUT_SECONDS = 5.0
_BEGIN_OPTION = "gateway_begin"


class StorageError(GatewayError):
    """The database could not be read or written; its state is what its last commit left."""


def open_database(url: str, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> Engine:
    """The engine for `sqlite:///path` (made with mode 0600 if absent) or `postgresql://…`.

    Connects once, so that a bad path, permission or file is found at the start; raises ConfigError
    that names it.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _prepare_file(parsed)
        engine = create_engine(parsed, hide_parameters=True)
        _configure_sqlite(engine, busy_timeout_seconds)
    else:
        engine = _open_postgresql(parsed)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    except SQLAlchemyError as error:
        engine.dispose()
        raise ConfigError(f"cannot open the database {parsed!r}: {_reason(error)}") from None
    return engine


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that has the write lock from its start (SQLite BEGIN IMMEDIATE); commits at
    the end, rolls back on any exception. Raises StorageError for the database's errors."""
    with _transaction(engine.execution_options(**{_BEGIN_OPTION: "BEGIN IMMEDIATE"})) as connection:
        yield connection


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Connection]:
    """One consistent view for reading; raises StorageError for the database's errors."""
    with _transaction(engine) as connection:
        yield connection


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StorageError(f"{_reason(error)} ({engine.url!r})") from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "the database address is not one: write sqlite:///path/to/file.db or "
            "postgresql://user@host/database"
        ) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(
            f"the database kind {parsed.drivername!r} is not supported: use sqlite or postgresql"
        )
    return parsed


def _prepare_file(url: URL) -> None:
    name = url.database
    if not name or name == ":memory:" or name.startswith("file:"):
        raise ConfigError("the log needs a file to be durable: write sqlite:///path/to/file.db")
    path = Path(name)
    if not path.parent.is_dir():
        raise ConfigError(f"the database folder {path.parent} is not there: make it, mode 0700")
    try:
        # The -wal and -shm files take their mode from this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"cannot open the database file {path}: {error.strerror}") from None


def _configure_sqlite(engine: Engine, busy_timeout_seconds: float) -> None:
    def on_connect(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # on_begin starts transactions, not the driver
        for pragma in (
            f"busy_timeout={int(busy_timeout_seconds * 1000)}",  # first: WAL itself may wait
            "journal_mode=WAL",
            "synchronous=FULL",
            "wal_autocheckpoint=8000",  # pages of 4 KiB: at 1,000 its syncs halve the append rate
            "foreign_keys=ON",
            "secure_delete=ON",  # an erased key must not live on in free pages
        ):
            connection.execute(f"PRAGMA {pragma}")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN"))

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _open_postgresql(url: URL) -> Engine:
    psycopg = url.set(drivername="postgresql+psycopg")
    try:
        # READ COMMITTED with the lock taken before the head is read; prepare_threshold=None keeps
        # prepared statements off, which transaction poolers lose.
        return create_engine(
            psycopg,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            connect_args={"prepare_threshold": None},
        )
    except ModuleNotFoundError:
        raise ConfigError("a postgresql database needs psycopg 3: pip install psycopg") from None


def _reason(error: SQLAlchemyError) -> str:
    """The driver's words without the statement and its parameters."""
    if isinstance(error, DBAPIError):
        return f"{type(error.orig).__name__}: {error.orig}"
    return f"{type(error).__name__}: {error}"
