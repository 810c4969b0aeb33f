"""What archives take out of the database, over a real PostgreSQL server."""

from collections.abc import Iterator

import pytest

from gateway.storage.engine import Engine, open_database
from gateway.storage.schema import migrate
from tests.fakes.postgresql import PostgresServer, running_postgres
from tests.unit.storage.test_archive_store import (
    test_a_purged_log_begins_at_the_first_checkpoint_behind,
    test_an_empty_log_has_nothing_signed,
    test_cosigned_notes_go_before_larger_ones,
    test_entry_0_that_is_none_is_said,
    test_heads_are_found_as_the_port_says,
    test_the_archive_of_a_database_is_whole,
)

__all__ = [
    "test_a_purged_log_begins_at_the_first_checkpoint_behind",
    "test_an_empty_log_has_nothing_signed",
    "test_cosigned_notes_go_before_larger_ones",
    "test_entry_0_that_is_none_is_said",
    "test_heads_are_found_as_the_port_says",
    "test_the_archive_of_a_database_is_whole",
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        yield made


@pytest.fixture
def engine(server: PostgresServer) -> Iterator[Engine]:
    opened = open_database(server.url(server.new_database()))
    migrate(opened)
    yield opened
    opened.dispose()
