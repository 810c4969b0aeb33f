"""Opening the database and its transactions, on SQLite and PostgreSQL alike.

SQLite has one writer at a time. On PostgreSQL a write transaction names what it locks: a log, or
(unless it says otherwise) all logs of the database, which is what SQLite does; so whatever is right
on SQLite is right there. The lock is taken before anything is read, in READ COMMITTED, so that what
is read is what the writer before left.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gateway.errors import ConfigError
from gateway.storage import postgresql, sqlite
from gateway.storage.errors import StorageError, describe_address, describe_error
from gateway.storage.postgresql import Limits
from gateway.storage.postgresql_scrub import scrub_postgresql

__all__ = [
    "Connection",
    "Engine",
    "StorageError",
    "open_database",
    "parse_address",
    "read_transaction",
    "scrub",
    "write_transaction",
]

BUSY_TIMEOUT_SECONDS = 5.0
ALL_LOGS = ""
UNBOUNDED = float("inf")
_BEGIN_OPTION = "gateway_begin"
_LIMITS_OPTION = "gateway_limits"
_BUSY_OPTION = "gateway_busy_seconds"


def open_database(url: str, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> Engine:
    """The engine for `sqlite:///path` (made with mode 0600 if absent) or `postgresql://…`.

    Connects once, so that a bad path, permission or file is found at the start; raises ConfigError
    that names it. No statement waits longer than `busy_timeout_seconds` for a lock or, on
    PostgreSQL, for its answer.
    """
    parsed = parse_address(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    opened = sqlite.open_sqlite if is_sqlite else postgresql.open_postgresql
    engine = opened(parsed, busy_timeout_seconds)
    engine.update_execution_options(**{_BUSY_OPTION: busy_timeout_seconds})
    event.listen(engine, "begin", _on_begin)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        if not is_sqlite:
            postgresql.verify_server(engine)
    except ConfigError:
        engine.dispose()
        raise
    except SQLAlchemyError as error:
        engine.dispose()
        raise ConfigError(
            f"cannot open the database {describe_address(parsed)}: {describe_error(error)}"
        ) from None
    return engine


@contextmanager
def write_transaction(
    engine: Engine, lock: str | None = ALL_LOGS, *, statement_seconds: float | None = None
) -> Iterator[Connection]:
    """A transaction that has the write lock from its start; commits at the end, rolls back on any
    exception. Raises StorageError for the database's errors.

    `lock`, on PostgreSQL: the log whose writers exclude each other; ALL_LOGS; None for a single
    statement that is right without one. `statement_seconds` in place of the busy timeout
    (UNBOUNDED: none).
    """
    limits = _limits(engine, statement_seconds)
    is_sqlite = engine.dialect.name == "sqlite"
    begin = sqlite.BEGIN_WRITING if is_sqlite else postgresql.begin_writing(lock, limits)
    with _transaction(engine, begin, limits) as connection:
        yield connection


@contextmanager
def read_transaction(
    engine: Engine, *, statement_seconds: float | None = None
) -> Iterator[Connection]:
    """One consistent view for reading; raises StorageError for the database's errors."""
    limits = _limits(engine, statement_seconds)
    is_sqlite = engine.dialect.name == "sqlite"
    begin = sqlite.BEGIN_READING if is_sqlite else postgresql.begin_reading(limits)
    with _transaction(engine, begin, limits) as connection:
        yield connection


def scrub(engine: Engine) -> None:
    """Make what was deleted leave the database's files: called after erasures, outside of any
    transaction. Raises StorageError when it has to be called again (a reader holds an older state).

    SQLite: `secure_delete` overwrote the pages, here the write-ahead log is folded in and emptied.
    PostgreSQL: the tables of keys are rewritten, see `gateway.storage.postgresql_scrub`.
    """
    if engine.dialect.name == "sqlite":
        sqlite.scrub_sqlite(engine)
    else:
        scrub_postgresql(engine, engine.get_execution_options()[_BUSY_OPTION])


@contextmanager
def _transaction(engine: Engine, begin: str, limits: Limits) -> Iterator[Connection]:
    driver_errors = engine.dialect.loaded_dbapi.Error  # COPY is not SQLAlchemy's
    chosen = engine.execution_options(**{_BEGIN_OPTION: begin, _LIMITS_OPTION: limits})
    try:
        with _begun(chosen) as connection, connection.get_transaction():  # type: ignore[union-attr]
            yield connection
    except (SQLAlchemyError, driver_errors) as error:
        address = describe_address(engine.url)
        raise StorageError(f"{describe_error(error)} ({address})") from error


def _begun(engine: Engine) -> Connection:
    """A connection in its transaction. One that was kept and is dead is replaced, once: nothing
    was asked on it yet."""
    for is_last in (False, True):
        connection = engine.connect()
        try:
            connection.begin()
        except SQLAlchemyError as error:
            connection.close()
            if is_last or not postgresql.is_stale(error):
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise AssertionError


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if connection.dialect.name != "sqlite" and _LIMITS_OPTION in options:
        postgresql.bound(connection, options[_LIMITS_OPTION])
    connection.exec_driver_sql(options.get(_BEGIN_OPTION, "BEGIN"))


def _limits(engine: Engine, statement_seconds: float | None) -> Limits:
    if statement_seconds == UNBOUNDED:
        return Limits(None)
    if statement_seconds is None:
        statement_seconds = engine.get_execution_options()[_BUSY_OPTION]
    return Limits(statement_seconds)


def parse_address(url: str) -> URL:
    """The parts of a database's address; raises ConfigError, which does not repeat it."""
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgres":  # libpq takes both
            parsed = parsed.set(drivername="postgresql")
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the database address is not one: write sqlite:///path/to/file.db or "
            "postgresql://user@host/database"
        ) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(
            f"the database kind {parsed.drivername!r} is not supported: use sqlite or postgresql"
        )
    return parsed
