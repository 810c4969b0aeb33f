"""Payloads beside the log: sealed, opened, erased, expired."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.errors import EntryRefusedError, PayloadErasedError, PayloadMissingError
from gateway.audit.lost import Lost
from gateway.audit.port import Payload, Removal
from gateway.clock import ManualClock
from gateway.errors import KeyServiceError, LogUnavailableError
from gateway.storage.engine import Engine, read_transaction, write_transaction
from gateway.transparency.entry import parse_entry
from gateway.transparency.verdict import Word
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ORIGIN
from tests.fakes.removals import remove
from tests.fakes.sql_logs import note, open_engine, open_log, payload, stored_entries, verify

A, B, C, D = ("a" * 48, "b" * 48, "c" * 48, "d" * 48)
MONTH_SECONDS = 31 * 86_400.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def execute(engine: Engine, statement: str) -> None:
    with write_transaction(engine) as connection:
        connection.exec_driver_sql(statement)


def rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with read_transaction(engine) as connection:
        return [(*row,) for row in connection.exec_driver_sql(query)]


def key_of(region: str) -> str:
    return f"{ORIGIN}/{region}/standard/2026-01"


def key_entries(engine: Engine) -> list[tuple[object, object]]:
    entries = [parse_entry(data) for data in stored_entries(engine)]
    return [
        (entry.body["region"], entry.body["month"])
        for entry in entries
        if entry.type == "key.created"
    ]


def test_one_key_a_region_and_month_each_with_its_entry(engine: Engine) -> None:
    async def main() -> None:
        clock, keys = ManualClock(), MemoryKeyService()
        log = await open_log(engine, keys, clock)
        await log.append([note("a")], [payload(A), payload(B, region="us-east-1")])
        await log.append([note("b")], [payload(C)])
        assert keys.calls == 2  # cached from then on
        clock.advance(MONTH_SECONDS)
        await log.append([note("c")], [payload("d" * 48)])
        await log.aclose()
        log = await open_log(engine, keys, clock)
        await log.append([note("d")], [payload("e" * 48)])
        await log.aclose()
        assert key_entries(engine) == [
            ("eu-west-1", "2026-01"),
            ("us-east-1", "2026-01"),
            ("eu-west-1", "2026-02"),
        ]
        for class_id in (A, B, C, "d" * 48, "e" * 48):
            assert log.vault.open_payload(class_id) == b"secret of " + class_id.encode()

    asyncio.run(main())


def test_nothing_secret_is_on_disk(engine: Engine, tmp_path: Path) -> None:
    drawn: list[bytes] = []

    def draw(count: int) -> bytes:
        drawn.append(bytes([len(drawn) + 1]) * count)
        return drawn[-1]

    class Hiding(MemoryKeyService):
        def wrap(self, plaintext_key: bytes, context: bytes) -> bytes:
            return super().wrap(bytes(255 - byte for byte in plaintext_key), context)

    async def main() -> None:
        log = await open_log(engine, Hiding(), random=draw)
        await log.append([note("a")], [payload(A)])
        await log.aclose()

    asyncio.run(main())
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert A.encode() in on_disk
    assert b"secret of" not in on_disk
    keys = [text for text in drawn if len(text) == 32]
    assert len(keys) == 2
    assert not any(key in on_disk for key in keys)


def test_erasing_takes_key_and_payload_and_leaves_the_others(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note("a")], [payload(A), payload(B)])
        place = await remove(log, Removal(class_ids=(A,)))
        await remove(log, Removal(class_ids=(A,)))  # what is gone already is no error
        with pytest.raises(PayloadErasedError, match="erased"):
            log.vault.open_payload(A)
        assert log.vault.open_payload(B)
        await log.aclose()
        left = rows(
            engine, "SELECT class_id FROM payloads UNION ALL SELECT class_id FROM payload_keys"
        )
        assert left == [(B,), (B,)]
        assert parse_entry(stored_entries(engine)[place.seq]).body["classes"] == [A]
        assert verify(engine).word is Word.UNANCHORED

    asyncio.run(main())


def test_what_the_log_says_was_erased_stays_shut_where_a_copy_of_it_came_back(
    engine: Engine,
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note("a")], [payload(A)])
        before = [
            rows(engine, f"SELECT * FROM {table}")[0] for table in ("payloads", "payload_keys")
        ]
        await remove(log, Removal(class_ids=(A,)))
        with write_transaction(engine) as connection:  # a restored backup does that
            for table, row in zip(("payloads", "payload_keys"), before, strict=True):
                marks = ", ".join("?" for _ in row)
                connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", tuple(row))
        assert log.vault.open_many({A: 1}) == {A: Lost.ERASED}
        await log.aclose()

    asyncio.run(main())


def test_a_months_key_takes_all_its_payloads_and_is_never_made_again(engine: Engine) -> None:
    async def main() -> None:
        clock = ManualClock()
        log = await open_log(engine, clock=clock)
        (place,) = await log.append([note("a")], [payload(A), payload(B, region="us-east-1")])
        with pytest.raises(EntryRefusedError, match="in use"):
            await remove(log, Removal(month_keys=(key_of("eu-west-1"),)))
        clock.advance(MONTH_SECONDS)
        await remove(log, Removal(month_keys=(key_of("eu-west-1"),)))
        assert log.vault.open_many({A: place.seq, B: place.seq}) == {
            A: Lost.PURGED,
            B: payload(B, region="us-east-1").plaintext,
        }
        clock.advance(-MONTH_SECONDS)  # whoever sets the clock back revives nothing
        with pytest.raises(EntryRefusedError, match="was purged"):
            await log.append([note("b")], [payload(C)])
        await log.append([note("c")], [payload(D, region="us-east-1")])
        await log.aclose()
        assert rows(engine, "SELECT region FROM month_keys") == [("us-east-1",)]
        assert sorted(rows(engine, "SELECT class_id FROM payloads")) == [(B,), (D,)]
        again = await open_log(engine, clock=clock)  # nothing cached
        with pytest.raises(EntryRefusedError, match="was purged"):
            await again.append([note("d")], [payload(C)])
        await again.aclose()

    asyncio.run(main())


def test_a_month_key_that_only_vanished_is_missing_and_made_anew(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note("a")], [payload(A)])
        execute(engine, "DELETE FROM month_keys")
        with pytest.raises(PayloadMissingError):
            log.vault.open_payload(A)
        await log.append([note("b")], [payload(B)])  # the cached key is gone from the table
        assert log.vault.open_payload(B)
        await log.aclose()
        assert len(key_entries(engine)) == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payloads SET sealed = (SELECT sealed FROM payloads WHERE class_id LIKE 'b%')",
        "UPDATE payload_keys SET wrapped = "
        "(SELECT wrapped FROM payload_keys WHERE class_id LIKE 'b%')",
        "UPDATE payloads SET sealed = zeroblob(100)",
        "UPDATE month_keys SET wrapped = zeroblob(64)",
    ],
)
def test_swapped_or_damaged_rows_do_not_open(engine: Engine, statement: str) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note("a")], [payload(A), payload(B)])
        execute(engine, statement)
        with pytest.raises(KeyServiceError):
            log.vault.open_payload(A)
        await log.aclose()

    asyncio.run(main())


def test_an_unknown_class_is_missing(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        with pytest.raises(PayloadMissingError):
            log.vault.open_payload(A)
        await log.aclose()

    asyncio.run(main())


def test_without_the_key_service_only_groups_with_payloads_fail(engine: Engine) -> None:
    async def main() -> None:
        keys = MemoryKeyService()
        log = await open_log(engine, keys)
        keys.failing = "key service unreachable"
        failed, stands = await asyncio.gather(
            log.append([note("a")], [payload(A)]), log.append([note("b")]), return_exceptions=True
        )
        assert isinstance(failed, LogUnavailableError)
        assert "unreachable" in str(failed)
        assert isinstance(stands, list)
        keys.failing = None
        await log.append([note("c")], [payload(A)])
        await log.aclose()

    asyncio.run(main())


def test_a_region_with_a_slash_cannot_pose_as_another_key(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        with pytest.raises(EntryRefusedError, match="slash"):
            await log.append([note("a")], [Payload(A, "eu/west", "standard", b"")])
        await log.aclose()

    asyncio.run(main())
