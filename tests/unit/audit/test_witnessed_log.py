"""What the database keeps of witnesses, and what it says to them."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.proofs import ProofReader
from gateway.audit.witnessed_log import WitnessedLog
from gateway.errors import InputError, LogUnavailableError
from gateway.storage.cosigned_store import TimestampRow, read_all_cosigned, read_timestamps
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.cosignature import open_cosignatures
from gateway.transparency.merkle import verify_consistency
from gateway.transparency.notes import split_note
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log
from tests.fakes.witnesses import COSIGNER, make_cosigner

OTHER = make_cosigner(8, "witness.example/w2")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


async def grow(engine: Engine, count: int) -> None:
    log = await open_log(engine)
    await log.append([note(f"entry {at}") for at in range(count)])
    await log.aclose()


def test_checkpoints_proofs_and_roots_are_those_of_the_database(engine: Engine) -> None:
    log = WitnessedLog(engine, ORIGIN)

    async def go() -> None:
        assert await log.newest() is None
        await grow(engine, 4)
        first = open_checkpoint(await log.newest() or "", SIGNER.verifier)
        await grow(engine, 300)  # through a whole tile
        second = open_checkpoint(await log.newest() or "", SIGNER.verifier)
        proof = await log.consistency(first.size, second.size)
        verify_consistency(first.size, second.size, first.root, second.root, proof)
        size, roots = await log.size_and_roots({first.size, second.size, second.size + 1})
        assert size == second.size == 305
        assert roots == {first.size: first.root, second.size: second.root}
        with pytest.raises(InputError):
            await log.consistency(first.size, second.size + 1)

    asyncio.run(go())
    with read_transaction(engine) as connection, pytest.raises(InputError):
        ProofReader(connection, ORIGIN).root(306)


def test_cosignatures_of_one_checkpoint_are_gathered(engine: Engine) -> None:
    log = WitnessedLog(engine, ORIGIN)

    async def go() -> None:
        await grow(engine, 4)
        checkpoint = await log.newest() or ""
        text, _ = split_note(checkpoint)
        for cosigner in (COSIGNER, OTHER, COSIGNER):
            [*_, line] = split_note(checkpoint + cosigner.cosign(text, 5))[1]
            merged = await log.add_cosignatures(5, checkpoint, [line])
        assert await log.newest_cosigned() == merged
        keys = [COSIGNER.verifier, OTHER.verifier]
        assert len(open_cosignatures(merged, keys)) == 2
        assert len(split_note(merged)[1]) == 3
        await log.drop_cosigned([5])
        assert await log.newest_cosigned() is None

    asyncio.run(go())
    with read_transaction(engine) as connection:
        assert list(read_all_cosigned(connection, ORIGIN)) == []


def test_of_timestamps_the_earlier_stays(engine: Engine) -> None:
    log = WitnessedLog(engine, ORIGIN)
    rows = [TimestampRow(size, "http://tsa", f"{size}\n", bytes([size])) for size in (9, 5)]

    async def go() -> None:
        for row in [*rows, TimestampRow(9, "http://tsa", "later\n", b"later")]:
            await log.add_timestamp(row)
        await log.add_timestamp(TimestampRow(9, "http://other", "9\n", b"\x09"))
        assert await log.newest_timestamp("http://tsa") == rows[0]
        assert await log.newest_timestamp("http://nobody") is None

    asyncio.run(go())
    with read_transaction(engine) as connection:
        assert [row.size for row in read_timestamps(connection, ORIGIN)] == [5, 9, 9]
        assert list(read_timestamps(connection, "another/log")) == []


def test_a_database_that_cannot_be_asked_is_an_unavailable_log(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "log.db")
    with sqlite3.connect(tmp_path / "log.db") as database:
        for table in ("cosigned", "timestamps", "checkpoints"):
            database.execute(f"DROP TABLE {table}")
    database.close()
    log = WitnessedLog(engine, ORIGIN)
    with pytest.raises(LogUnavailableError, match="cannot be asked"):
        asyncio.run(log.newest())
    with pytest.raises(LogUnavailableError, match="cannot be asked"):
        asyncio.run(log.add_cosignatures(5, "", []))
    engine.dispose()
