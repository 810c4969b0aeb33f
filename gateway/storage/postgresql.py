"""PostgreSQL: how it is opened and how its transactions begin.

Every setting is made inside a transaction and every lock ends with it, and no statement is
prepared, so that a pooler in transaction mode (pgbouncer) may stand between.

The server bounds what it can see (statement_timeout, lock_timeout); a server that says nothing at
all is bounded here, by the clock of this side. A commit whose answer did not come counts as failed
and is never tried again.
"""

import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import ConfigError
from gateway.storage.errors import describe_address

_LOCK_DOMAIN = b"compliance-gateway/log-lock/v1\n"
_ALL_LOGS = b"compliance-gateway/database-lock/v1\n"
_GRACE_SECONDS = 1.0  # the server's own limits come first: they say more
_SHORTEST_CONNECT_SECONDS = 2  # libpq's
_LONGEST_CONNECT_SECONDS = 30
# A writer that was stopped inside its transaction must not hold the log for ever.
_IDLE_WRITER_MS = 30_000
_SECRET_OPTIONS = ("password", "sslpassword")
T = TypeVar("T")

# At least what the server is set to: remote_apply is more than on.
_DURABLE = (
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
    "WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)"
)


class ServerSilentError(psycopg.OperationalError):
    """The server did not answer in time; the connection is closed."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that waits at most `patience_seconds` for each answer, and whose commit is
    none when the server warns that it may not be durable where it should be."""

    patience_seconds: float | None = None
    _warning: str | None = None

    def wait(
        self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        """As psycopg's; raises ServerSilentError."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_seconds)
        except psycopg.errors._WaitTimeout:
            self.close()
            raise ServerSilentError(
                f"the server did not answer within {self.patience_seconds:g} seconds"
            ) from None

    def commit(self) -> None:
        """Commit; raises OperationalError when only this server has it, and not the standby that
        should (somebody cancelled the wait for synchronous replication)."""
        self._warning = None
        super().commit()
        if self._warning is not None:
            raise psycopg.OperationalError(f"committed on one server only: {self._warning}")

    def note_warning(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Keep what the server warns of."""
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warning = diagnostic.message_primary


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one statement, or the wait for a lock, may take; None: as long as it wants."""

    statement_seconds: float | None

    @property
    def patience_seconds(self) -> float | None:
        """How long this side waits for an answer."""
        seconds = self.statement_seconds
        return None if seconds is None else seconds + _GRACE_SECONDS

    @property
    def statement_ms(self) -> int:
        """For the server; 0 is no limit."""
        return 0 if self.statement_seconds is None else max(2, int(self.statement_seconds * 1000))

    @property
    def lock_ms(self) -> int:
        """The same for a lock: less, so that the error says what was waited for."""
        return self.statement_ms * 9 // 10


def open_postgresql(url: URL, busy_timeout_seconds: float) -> Engine:
    """The engine for `postgresql://user@host/database?option=…`, options as libpq knows them; what
    it does not say (password, TLS) comes from libpq's environment."""
    address, secrets = _split_secrets(url)
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_timeout=max(busy_timeout_seconds, 1.0),
        pool_use_lifo=True,
        use_native_hstore=False,  # would ask the server about it
    )

    def do_connect(_dialect: Any, _record: Any, _positional: Any, named: dict[str, Any]) -> Any:
        return _connect({**named, **secrets}, busy_timeout_seconds)

    event.listen(engine, "do_connect", do_connect)
    return engine


def connect(url: URL, patience_seconds: float) -> BoundedConnection:
    """One connection without an engine; raises psycopg's errors."""
    dialect: Any = PGDialect_psycopg
    _, arguments = dialect().create_connect_args(url)
    return _connect(arguments, patience_seconds)


def _connect(arguments: dict[str, Any], patience_seconds: float) -> BoundedConnection:
    seconds = math.ceil(min(patience_seconds, _LONGEST_CONNECT_SECONDS))
    timeout = {"connect_timeout": max(_SHORTEST_CONNECT_SECONDS, seconds)}
    connection = BoundedConnection.connect(
        **(timeout | arguments), prepare_threshold=None, autocommit=True
    )
    connection.patience_seconds = Limits(patience_seconds).patience_seconds
    connection.add_notice_handler(connection.note_warning)
    return connection


def verify_server(engine: Engine) -> None:
    """Raise ConfigError for a server or database that cannot hold a log."""
    with engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("fsync", "server_encoding")
        }
    address = describe_address(engine.url)
    if settings["fsync"] != "on":
        raise ConfigError(
            f"the server of {address} has fsync = {settings['fsync']}: what it has answered can be "
            "lost; set fsync = on"
        )
    if settings["server_encoding"] != "UTF8":
        raise ConfigError(
            f"the database {address} has the encoding {settings['server_encoding']}: make one with "
            "ENCODING 'UTF8' TEMPLATE template0"
        )


def begin_writing(lock: str | None, limits: Limits) -> str:
    """What begins a writing transaction, in one message to the server. `lock`: a log's name, ""
    for all logs of the database, None for no lock."""
    commands = [
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        f"SET LOCAL statement_timeout = {limits.statement_ms}",
        f"SET LOCAL lock_timeout = {limits.lock_ms}",
        f"SET LOCAL idle_in_transaction_session_timeout = {_IDLE_WRITER_MS}",
        _DURABLE,
    ]
    if lock is not None:
        commands.append(f"SELECT {_take_lock(lock)}")
    return "; ".join(commands)


def begin_reading(limits: Limits) -> str:
    """What begins a reading transaction: one snapshot for all of it."""
    return (
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
        f"SET LOCAL statement_timeout = {limits.statement_ms}"
    )


def bound(connection: Connection, limits: Limits) -> None:
    """Wait for the answers of this connection as long as the limits say."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, BoundedConnection)
    driver.patience_seconds = limits.patience_seconds


def copy_rows(
    connection: Connection,
    table: str,
    names: Sequence[str],
    types: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Append rows to a table by COPY; all or none, as any statement. Raises psycopg's errors."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, BoundedConnection)
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), columns
    )
    with driver.cursor() as cursor, cursor.copy(command) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def lock_key(log: str) -> int:
    """The number that PostgreSQL knows the log's lock by; two logs may share one, harmlessly."""
    return _number(_LOCK_DOMAIN + log.encode())


def _take_lock(lock: str) -> str:
    database = _number(_ALL_LOGS)
    if not lock:
        return f"pg_advisory_xact_lock({database})"
    return f"pg_advisory_xact_lock_shared({database}), pg_advisory_xact_lock({lock_key(lock)})"


def _number(name: bytes) -> int:
    return int.from_bytes(sha256(name).digest()[:8], "big", signed=True)


def _split_secrets(url: URL) -> tuple[URL, dict[str, Any]]:
    """The address as it may be shown, and the passwords that stood among its options."""
    secrets = {name: url.query[name] for name in _SECRET_OPTIONS if name in url.query}
    return url.difference_update_query(secrets), secrets


def is_stale(error: SQLAlchemyError) -> bool:
    """Whether the error says that the connection was gone before anything was asked on it."""
    if not getattr(error, "connection_invalidated", False):
        return False
    return not isinstance(getattr(error, "orig", None), ServerSilentError)
