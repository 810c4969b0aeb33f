"""What commits to payloads: the entry's bytes, its place, and what its group's caller is told."""

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway import canonical
from gateway.audit.errors import EntryRefusedError
from gateway.audit.sealing import MAX_COMMITTED, commitments
from gateway.clock import ManualClock
from gateway.storage.engine import Engine, read_transaction
from gateway.storage.payload_store import PayloadRow
from gateway.storage.removal_store import SEALED_TYPE
from gateway.transparency.entry import Entry, parse_entry
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import note, open_engine, open_log, payload, stored_entries

A, B, C = ("a" * 48, "b" * 48, "c" * 48)
KEY = ORIGIN + "/{}/standard/2026-01"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def sealed_rows(engine: Engine) -> dict[str, str]:
    """What is stored, hashed by other code than the product's."""
    with read_transaction(engine) as connection:
        rows = connection.exec_driver_sql("SELECT class_id, sealed FROM payloads").all()
    return {row[0]: sha256(row[1]).hexdigest() for row in rows}


def committed(engine: Engine) -> list[Entry]:
    entries = [parse_entry(data) for data in stored_entries(engine)]
    return [entry for entry in entries if entry.type == SEALED_TYPE]


def test_each_stored_payload_is_committed_to_last_in_its_group(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine, clock=ManualClock())
        told = await log.append(
            [note("a"), note("b")], [payload(A), payload(B), payload(C, region="us-east-1")]
        )
        (after,) = await log.append([note("c")])
        await log.aclose()
        first, second = committed(engine)
        assert [place.seq for place in told] == [first.seq - 2, first.seq - 1]
        assert (second.seq, after.seq) == (first.seq + 1, first.seq + 2)
        assert first.actor == ACTOR
        rows = sealed_rows(engine)
        assert first.body == {
            "month_key": KEY.format("eu-west-1"),
            "payloads": [[A, rows[A]], [B, rows[B]]],
        }
        assert second.body == {"month_key": KEY.format("us-east-1"), "payloads": [[C, rows[C]]]}

    asyncio.run(main())


def test_a_refused_group_commits_to_nothing(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note("a")], [payload(A)])
        with pytest.raises(EntryRefusedError):
            await log.append([note("b")], [payload(A)])
        with pytest.raises(EntryRefusedError, match="letters"):
            await log.append([note("c")], [payload('"' * 48)])
        await log.aclose()
        assert len(committed(engine)) == 1
        assert list(sealed_rows(engine)) == [A]

    asyncio.run(main())


def test_mixed_month_keys_make_one_entry_each() -> None:
    bodies = commitments([row(number, f"k{number % 3}") for number in range(300)])
    values: list[Any] = [canonical.decode(body) for body in bodies]
    assert [(value["month_key"], len(value["payloads"])) for value in values] == [
        ("k0", 100),
        ("k1", 100),
        ("k2", 100),
    ]


def row(number: int, month_key: str = "k") -> PayloadRow:
    return PayloadRow(f"{number:048x}", "2026-01", "r", "c", b"%d" % number, month_key, b"")


@pytest.mark.parametrize("count", [0, 1, MAX_COMMITTED, MAX_COMMITTED + 1, 1_000])
def test_entries_are_canonical_and_within_the_limit(count: int) -> None:
    key = "log-of-\u00fcmlauts/" + "r" * 64 + "/" + "c" * 64 + "/2026-01"
    bodies = list(commitments([row(number, key) for number in range(count)]))
    assert len(bodies) == -(-count // MAX_COMMITTED)
    values = [canonical.decode(body) for body in bodies]  # refuses what is not canonical
    pairs = [pair for value in values for pair in value["payloads"]]  # type: ignore[call-overload,index,union-attr]
    assert [pair[0] for pair in pairs] == [f"{number:048x}" for number in range(count)]  # type: ignore[index]
    assert all(len(body) < 60_000 for body in bodies)
