"""How erased rows leave PostgreSQL's files."""

import re

import psycopg
from psycopg.errors import InsufficientPrivilege, LockNotAvailable
from sqlalchemy import Engine

from gateway.storage.errors import StorageError, describe_address, describe_error
from gateway.storage.postgresql import BoundedConnection

# Tables whose erased rows must leave the files: they hold wrapped keys.
_KEY_TABLES = ("payload_keys", "month_keys")


def scrub_postgresql(engine: Engine, lock_seconds: float) -> None:
    """Rewrite the tables of keys without their dead rows, and leave the write-ahead log behind
    where the role may (superuser or pg_checkpoint). What else was deleted is sealed under them.

    A vacuumed page keeps the bytes of what was deleted; a rewritten file does not. CLUSTER is the
    rewriting that may have a lock timeout of its own. Raises StorageError when a table is in use
    for longer, and when an older reader still sees what was erased.
    """
    raw = engine.raw_connection()
    try:
        driver = raw.driver_connection
        assert isinstance(driver, BoundedConnection)
        driver.patience_seconds = None
        try:
            held = _rewrite(driver, lock_seconds)
            _leave_write_ahead_log(driver)
        except LockNotAvailable:
            raise StorageError(
                f"the keys of {describe_address(engine.url)} are in use: scrub again"
            ) from None
        except psycopg.Error as error:
            address = describe_address(engine.url)
            raise StorageError(f"{describe_error(error)} ({address})") from None
    finally:
        raw.invalidate()  # its patience and settings are not those of the others
        raw.close()
    if held:
        raise StorageError(
            f"{held} erased rows of {describe_address(engine.url)} are still there for a reader "
            "that began before: scrub again when it has ended"
        )


def _rewrite(driver: BoundedConnection, lock_seconds: float) -> int:
    """The number of dead rows that had to stay."""
    held = 0

    def count(diagnostic: psycopg.errors.Diagnostic) -> None:
        nonlocal held
        # "N dead row versions cannot be removed yet", in the server's language.
        if number := re.match(r"\d+", diagnostic.message_detail or ""):
            held += int(number[0])

    driver.add_notice_handler(count)
    try:
        with driver.transaction():
            driver.execute(f"SET LOCAL lock_timeout = {max(1, int(lock_seconds * 1000))}".encode())
            driver.execute(b"SET LOCAL statement_timeout = 0")
            driver.execute(b"SET LOCAL client_min_messages = info")
            for table in _KEY_TABLES:
                driver.execute(f"CLUSTER VERBOSE {table} USING {table}_pkey".encode())
    finally:
        driver.remove_notice_handler(count)
    return held


def _leave_write_ahead_log(driver: BoundedConnection) -> None:
    try:
        driver.execute("SELECT pg_switch_wal()")
        driver.execute("CHECKPOINT")
    except InsufficientPrivilege:
        return  # the server does both by itself, later (checkpoint_timeout)
