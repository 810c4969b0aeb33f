"""Opening the database."""

import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.storage.engine import (
    StorageError,
    open_database,
    read_transaction,
    write_transaction,
)


def test_a_new_file_is_the_owners_alone_and_durable(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/log.db")
    with read_transaction(engine) as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:///{0}/absent/log.db", "absent"),
        ("sqlite:///{0}", "Is a directory"),
        ("sqlite:///{0}/text.db", r"text\.db.*not a database"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("mysql://host/db", "mysql"),
        ("no address", "sqlite:///"),
    ],
)
def test_a_bad_address_is_named(tmp_path: Path, url: str, place: str) -> None:
    (tmp_path / "text.db").write_text("this is not a database at all" * 100)
    with pytest.raises(ConfigError, match=place):
        open_database(url.format(tmp_path))


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        open_database("postgresql://me:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(caught.value)


def test_a_write_transaction_has_the_lock_from_its_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    first = open_database(url, busy_timeout_seconds=0.05)
    second = open_database(url, busy_timeout_seconds=0.05)
    with write_transaction(first):
        with pytest.raises(StorageError, match="locked"), write_transaction(second):
            pass
        with read_transaction(second) as connection:  # readers go on
            connection.exec_driver_sql("SELECT 1")
    first.dispose()
    second.dispose()


def test_an_exception_rolls_back(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/log.db")
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")

    def insert_and_fail() -> None:
        with write_transaction(engine) as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        insert_and_fail()
    with read_transaction(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
    engine.dispose()


def test_errors_do_not_show_parameters(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/log.db")
    with pytest.raises(StorageError) as caught, write_transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO absent VALUES (?)", ("a secret",))
    assert "a secret" not in str(caught.value)
    assert "absent" in str(caught.value)
    engine.dispose()
