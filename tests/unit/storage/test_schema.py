"""Migrations."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.errors import ConfigError
from gateway.storage.engine import Engine, open_database, read_transaction, write_transaction
from gateway.storage.schema import migrate, newest_version
from gateway.storage.tables import metadata


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path}/log.db")
    yield made
    made.dispose()


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    migrate(engine)
    with read_transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert version == newest_version()


def test_migrating_again_keeps_what_stands(engine: Engine) -> None:
    migrate(engine)
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO entries VALUES ('log', 0, x'00', x'01')")
    migrate(engine)
    with read_transaction(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM entries").scalar() == 1


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    program = (
        "import sys; from gateway.storage.engine import open_database; "
        "from gateway.storage.schema import migrate; migrate(open_database(sys.argv[1]))"
    )
    url = f"sqlite:///{tmp_path}/log.db"
    running = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]


def test_a_newer_database_is_refused(engine: Engine) -> None:
    migrate(engine)
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="newer"):
        migrate(engine)


def test_activations_of_older_logs_get_their_journal_rows(engine: Engine) -> None:
    migrate(engine)
    decoy = b'{"body":{"type":"bundle.activated"},"type":"test.note"}'
    stored = [
        ("a", 0, b'{"type":"log.opened"}'),
        ("a", 1, b'{"body":{},"type":"bundle.activated","v":1}'),
        ("a", 2, decoy),
        ("a", 7, b'{"body":{},"type":"bundle.activated","v":1}'),
        ("a", 8, b'"type":"bundle.activated" and no entry'),
        ("b", 1, b'{"body":{},"type":"bundle.activated","v":1}'),
    ]
    with write_transaction(engine) as connection:
        for table in ("timestamps", "cosigned", "journal"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("CREATE TABLE activations (log TEXT)")  # as 0001 had one
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        connection.exec_driver_sql(
            "INSERT INTO entries VALUES (?, ?, ?, x'00')", [tuple(row) for row in stored]
        )
    migrate(engine)
    with read_transaction(engine) as connection:
        rows = connection.exec_driver_sql(
            "SELECT log, seq, type FROM journal ORDER BY log, seq"
        ).all()
    assert [tuple(row) for row in rows] == [
        ("a", 1, "bundle.activated"),
        ("a", 7, "bundle.activated"),
        ("b", 1, "bundle.activated"),
    ]
