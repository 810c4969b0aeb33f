from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.audit.port import BundleStore
from gateway.storage.bundles_store import SqlBundleStore
from gateway.storage.engine import Engine, StorageError, write_transaction
from tests.fakes.sql_logs import open_engine

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def test_what_was_put_is_given_and_never_replaced(engine: Engine) -> None:
    store: BundleStore = SqlBundleStore(engine)
    assert store.get(ONE) is None
    store.put(ONE, b"\x00archive")
    store.put(ONE, b"another")
    store.put(TWO, b"")
    assert (store.get(ONE), store.get(TWO)) == (b"\x00archive", b"")
    assert SqlBundleStore(engine).get(ONE) == b"\x00archive"


def test_the_databases_errors_are_storage_errors(engine: Engine) -> None:
    store = SqlBundleStore(engine)
    with write_transaction(engine) as connection:
        connection.execute(text("DROP TABLE bundles"))
    with pytest.raises(StorageError, match="bundles"):
        store.put(ONE, b"")
    with pytest.raises(StorageError, match="bundles"):
        store.get(ONE)
