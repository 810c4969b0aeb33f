"""Proofs out of the database, checked by the verifier's own functions."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.audit.proofs import ProofReader
from gateway.errors import InputError
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.entry import leaf_hash
from gateway.transparency.merkle import (
    node_reader,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import note, open_engine, open_log, stored_entries

SIZE = 1_301
SIZES = [1, 2, 3, 7, 255, 256, 257, 300, 512, 513, 1_024, 1_280, 1_300, SIZE]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    async def fill() -> None:
        for part in (300, 500, SIZE - 801):  # signed at several sizes
            log = await open_log(made)
            await log.append([note(str(at)) for at in range(part)])
            await log.aclose()

    made = open_engine(tmp_path / "log.db")
    asyncio.run(fill())
    yield made
    made.dispose()


def test_every_proof_leads_to_its_root(engine: Engine) -> None:
    leaves = [leaf_hash(data) for data in stored_entries(engine)]
    assert len(leaves) == SIZE
    read_node = node_reader(leaves)
    with read_transaction(engine) as connection:
        proofs = ProofReader(connection, ORIGIN)
        for new in SIZES:
            root = tree_root(new, read_node)
            for old in [0, *SIZES]:
                if old <= new:
                    proof = proofs.consistency(old, new)
                    verify_consistency(old, new, tree_root(old, read_node), root, proof)
            for index in {0, new // 3, new // 2, new - 1}:
                proof = proofs.inclusion(index, new)
                verify_inclusion(leaves[index], index, new, proof, root)


def test_a_proof_reads_few_rows(engine: Engine) -> None:
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with read_transaction(engine) as connection:
        ProofReader(connection, ORIGIN).consistency(300, 1_300)
    assert len(statements) <= 8


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, SIZE + 1)])
def test_what_is_out_of_range_is_the_callers_error(engine: Engine, index: int, size: int) -> None:
    with read_transaction(engine) as connection:
        proofs = ProofReader(connection, ORIGIN)
        with pytest.raises(InputError):
            proofs.inclusion(index, size)


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5), (1, SIZE + 1), (0, -1)])
def test_sizes_out_of_range_are_the_callers_error(engine: Engine, old: int, new: int) -> None:
    with read_transaction(engine) as connection:
        proofs = ProofReader(connection, ORIGIN)
        with pytest.raises(InputError):
            proofs.consistency(old, new)
