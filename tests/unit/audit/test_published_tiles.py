"""The tree out of the database is the one that is exported, at every signed size."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.audit.errors import LogBrokenError
from gateway.audit.export import export_tree
from gateway.audit.published_tiles import PublishedTiles
from gateway.errors import LogUnavailableError
from gateway.storage.engine import Engine, write_transaction
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.tiles import parse_tile_path
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log
from tests.fakes.trees import read_tree


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_engine(tmp_path / "log.db")
    yield found
    found.dispose()


async def grow(engine: Engine, count: int) -> None:
    """Append and sign."""
    log = await open_log(engine)
    await log.append([note(f"entry {at} é") for at in range(count)])
    await log.aclose()


def read(engine: Engine, path: str) -> bytes | None:
    return asyncio.run(PublishedTiles(engine, ORIGIN).read(parse_tile_path(path)))


def test_it_serves_what_is_exported_and_nothing_past_the_checkpoint(
    engine: Engine, tmp_path: Path
) -> None:
    for count in (1, 200, 100, 400):
        asyncio.run(grow(engine, count))
        with SqliteSource(tmp_path / "log.db") as source:
            export_tree(source, tmp_path / "tree", SIGNER.verifier)
    files = read_tree(tmp_path / "tree")
    newest = asyncio.run(PublishedTiles(engine, ORIGIN).checkpoint())
    assert newest is not None
    assert files.pop("checkpoint").decode() == newest
    assert {path: read(engine, path) for path in files} == files
    size = open_checkpoint(newest, SIGNER.verifier).size
    assert size == 702  # log.opened, and 701 notes
    for path in ("tile/entries/002.p/191", "tile/0/002.p/191", "tile/0/002", "tile/1/000.p/3"):
        assert read(engine, path) is None
    assert read(engine, "tile/0/002.p/190") is not None


def test_a_purged_bundle_is_gone_and_its_hashes_stay(engine: Engine) -> None:
    asyncio.run(grow(engine, 600))
    tile = read(engine, "tile/0/001")
    with write_transaction(engine) as connection:
        connection.execute(text("DELETE FROM entries WHERE seq BETWEEN 256 AND 300"))
    assert read(engine, "tile/entries/001") is None
    assert read(engine, "tile/entries/000") is not None
    assert read(engine, "tile/0/001") == tile


def test_a_stored_tile_that_was_cut_is_not_served(engine: Engine) -> None:
    asyncio.run(grow(engine, 600))
    with write_transaction(engine) as connection:
        connection.execute(text("UPDATE tiles SET hashes = x'00' WHERE level = 1"))
    with pytest.raises(LogBrokenError, match="tile 0 of level 1"):
        read(engine, "tile/1/000.p/2")


def test_without_a_database_it_says_so(engine: Engine) -> None:
    asyncio.run(grow(engine, 1))
    with write_transaction(engine) as connection:
        connection.execute(text("DROP TABLE checkpoints"))
    with pytest.raises(LogUnavailableError):
        read(engine, "tile/0/000.p/1")
    with pytest.raises(LogUnavailableError):
        asyncio.run(PublishedTiles(engine, ORIGIN).checkpoint())
