"""What PostgreSQL is told, without a server; `tests/interop` tells it to a real one."""

from hashlib import sha256

import psycopg
import pytest
from sqlalchemy import make_url

from gateway.errors import ConfigError
from gateway.storage.engine import open_database, parse_address
from gateway.storage.errors import describe_address, describe_error
from gateway.storage.postgresql import Limits, begin_reading, begin_writing, lock_key


def test_a_logs_lock_is_the_same_for_every_version_of_the_gateway() -> None:
    digest = sha256(b"compliance-gateway/log-lock/v1\nexample.org/log").digest()
    assert lock_key("example.org/log") == int.from_bytes(digest[:8], "big", signed=True)
    assert lock_key("example.org/log~2") != lock_key("example.org/log")
    assert -(2**63) <= lock_key("\u00e9") < 2**63


def test_the_lock_is_taken_last_after_the_limits_and_before_anything_is_read() -> None:
    *settings, last = begin_writing("log", Limits(5.0)).split("; ")
    assert settings[0] == "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    assert "SET LOCAL statement_timeout = 5000" in settings
    assert "SET LOCAL lock_timeout = 4500" in settings
    assert last.endswith(f"pg_advisory_xact_lock({lock_key('log')})")
    assert "pg_advisory_xact_lock_shared(" in last
    assert "_shared" not in begin_writing("", Limits(5.0))
    assert "advisory" not in begin_writing(None, Limits(5.0))


@pytest.mark.parametrize(
    ("seconds", "statement_ms", "patience"), [(None, 0, None), (0.0001, 2, 1.0001), (5.0, 5000, 6)]
)
def test_no_limit_is_zero_and_a_short_one_is_not(
    seconds: float | None, statement_ms: int, patience: float | None
) -> None:
    limits = Limits(seconds)
    assert (limits.statement_ms, limits.patience_seconds) == (statement_ms, patience)
    assert begin_reading(limits).endswith(f"SET LOCAL statement_timeout = {statement_ms}")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:hunter2@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgres://me@db/x?password=hunter2&sslmode=require", "postgresql://me@db/x"),
        ("postgresql+psycopg://me:hunter2@/x?host=a,b", "postgresql://me:***@/x"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address: str, shown: str) -> None:
    assert describe_address(parse_address(address)) == shown
    assert describe_address(make_url("sqlite:////var/log.db")) == "sqlite:////var/log.db"


def test_an_address_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        open_database("postgresql://me@host:hunter2/x")
    assert "hunter2" not in str(caught.value)


REFUSED = 'connection to server at "{0}", port 1 failed: Connection refused'
HINT = "\n\tIs the server running on that host and accepting TCP/IP connections?"
ONE, OTHER = REFUSED.format("10.0.0.1"), REFUSED.format("10.0.0.2")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (f"connection failed: {ONE}{HINT}", ONE),
        (f"connection failed: {ONE}{HINT}\n{OTHER}{HINT}", f"{ONE}; {OTHER}"),
        (
            f"connection failed: {OTHER}{HINT}\n"
            "Multiple connection attempts failed. All failures were:\n"
            f"- host: 'a', port: '1', hostaddr: '10.0.0.1': connection failed: {ONE}{HINT}\n"
            f"- host: 'b', port: '1', hostaddr: '10.0.0.2': connection failed: {OTHER}{HINT}",
            f"{OTHER}; {ONE}",
        ),
        (
            'connection failed: connection to server at "db", port 1 failed: FATAL:  password '
            'authentication failed for user "me"',
            'connection to server at "db", port 1 failed: FATAL: password authentication failed '
            'for user "me"',
        ),
        ("connection is bad: no error details available", "no error details available"),
        ("failed to resolve host 'db': [Errno -2] x", "failed to resolve host 'db': [Errno -2] x"),
    ],
)
def test_a_connection_that_is_not_made_is_a_sentence(words: str, reason: str) -> None:
    told = describe_error(psycopg.OperationalError(words))
    assert told == f"there is no connection to PostgreSQL: {reason}"


def test_other_words_keep_the_errors_name() -> None:
    error = psycopg.OperationalError("the connection is lost")
    assert describe_error(error) == "OperationalError: the connection is lost"
