"""Each critical write of an append or a checkpoint fails: failed, failed but persisted, or killed
after. Whatever happened, no place is lost or given twice, what was answered stands, memory equals
the database, and the log verifies."""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway.audit.errors import LogBrokenError, LogFullError
from gateway.audit.port import Appended
from gateway.audit.sql_log import SqlLog
from gateway.clock import ManualClock
from gateway.errors import ConfigError, LogUnavailableError
from gateway.storage.engine import Engine, read_transaction, write_transaction
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.verdict import Word
from tests.fakes.failing_sql import copy_as_killed, failing, tampering
from tests.fakes.sql_logs import (
    SIGNER,
    note,
    open_engine,
    open_log,
    payload,
    stored_entries,
    verify,
)

APPEND_WRITES = (
    "BEGIN IMMEDIATE",
    "INSERT INTO month_keys",
    "INSERT INTO entries",
    "INSERT INTO payloads",
    "INSERT INTO payload_keys",
    "COMMIT",
)
SEAL_WRITES = (
    "BEGIN IMMEDIATE",
    "INSERT INTO daily_counts",
    "INSERT INTO count_marks",
    "INSERT INTO tiles",
    "INSERT INTO checkpoints",
    "COMMIT",
)
WHOLE = {Word.UNANCHORED, Word.OK_UNSEALED}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db", busy_timeout_seconds=0.2)
    yield made
    made.dispose()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does; fails after ten seconds."""
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


def assert_stands(engine: Engine, answered: list[Appended]) -> None:
    stored = stored_entries(engine)
    for seq, data in enumerate(stored):
        assert parse_entry(data).seq == seq
    for place in answered:
        assert leaf_hash(stored[place.seq]) == place.leaf_hash
    assert len({place.seq for place in answered}) == len(answered)
    verdict = verify(engine)
    assert verdict.word in WHOLE, verdict.sentence


@pytest.mark.parametrize("write", APPEND_WRITES)
def test_an_append_that_fails_leaves_nothing_and_the_next_goes_on(
    engine: Engine, write: str
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        answered = await log.append([note("before")])
        with failing(engine, write) as hits:
            with pytest.raises(LogUnavailableError):
                await log.append([note("lost")], [payload("1" * 48)])
            assert hits
            assert "disk I/O" in (log.health() or "")
        assert len(stored_entries(engine)) == 2
        answered += await log.append([note("after")], [payload("1" * 48)])
        assert log.health() is None
        assert log.vault.open_payload("1" * 48) == payload("1" * 48).plaintext
        await log.aclose()
        assert_stands(engine, answered)
        assert b"lost" not in b"".join(stored_entries(engine))

    asyncio.run(main())


def test_a_commit_that_failed_but_persisted_neither_forks_nor_reuses_a_place(
    engine: Engine,
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        with failing(engine, "COMMIT", persisted=True), pytest.raises(LogUnavailableError):
            await log.append([note("ghost"), note("ghost")], [payload("1" * 48)])
        answered = await log.append([note("after")], [payload("2" * 48)])
        # opened, key created, two ghosts and what commits to their payload: the month key that
        # persisted is used, not made again
        assert answered[0].seq == 5
        await log.aclose()
        assert_stands(engine, answered)
        assert log.vault.open_payload("2" * 48) == payload("2" * 48).plaintext

    asyncio.run(main())


@pytest.mark.parametrize("persisted", [False, True], ids=["failed", "persisted"])
@pytest.mark.parametrize("write", SEAL_WRITES)
def test_a_checkpoint_that_fails_is_made_good_later(
    engine: Engine, write: str, persisted: bool
) -> None:
    if persisted and write != "COMMIT":
        persisted = False
    evaluated = b'{"activation":1,"fail_safe":{},"verdicts":[[1,0,3]]}'

    async def main() -> None:
        clock = ManualClock()
        log = await open_log(engine, clock=clock, interval_seconds=0.01)
        draft = note("x")
        decision = type(draft)("decisions", draft.actor, evaluated)
        answered = await log.append([decision] * 600)
        with failing(engine, write, persisted) as hits:
            clock.advance(1)
            await until(lambda: bool(hits) and log.health() is not None)
        if write != "BEGIN IMMEDIATE" and write != "COMMIT":  # those are appends' writes too
            assert "sealed" in (log.health() or "")
        answered += await log.append([decision] * 10)
        await log.aclose()
        assert log.health() is None
        assert_stands(engine, answered)
        assert "\n611\n" in (log.checkpoint() or "")
        (count,) = await log.daily_counts("2000-01-01", "2100-01-01")
        assert (count.seq, count.position, count.times) == (1, 0, 3 * 610)
        again = await open_log(engine)
        await again.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("entries", [1, 255, 256, 700])
def test_a_kill_after_the_answer_loses_nothing(
    engine: Engine, tmp_path: Path, entries: int
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        answered = await log.append([note("a")] * entries)
        copy = open_engine(copy_as_killed(tmp_path / "log.db", tmp_path / "killed.db"))
        await log.aclose()
        reopened = await open_log(copy)
        answered += await reopened.append([note("b")])
        await reopened.aclose()
        assert_stands(copy, answered)
        assert f"\n{entries + 2}\n" in (reopened.checkpoint() or "")
        copy.dispose()

    asyncio.run(main())


def test_a_full_disk_refuses_and_recovers(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        limits: list[int] = [int(pages or 0) + 40]

        def limit(connection: Any) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count={limits[0]}")

        event.listen(engine, "begin", limit)
        answered: list[Appended] = []
        refused = 0
        for _ in range(60):
            try:
                answered += await log.append([note("x" * 10_000)])
            except LogUnavailableError:
                refused += 1
        assert answered
        assert refused
        assert "full" in (log.health() or "")
        limits[0] = 1_000_000
        answered += await log.append([note("after")])
        assert log.health() is None
        await log.aclose()
        assert_stands(engine, answered)
        assert len(stored_entries(engine)) == len(answered) + 1

    asyncio.run(main())


def test_a_locked_database_refuses_and_recovers_by_itself(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine, interval_seconds=0.01)
        with write_transaction(engine):
            with pytest.raises(LogUnavailableError, match="locked"):
                await log.append([note("lost")])
            assert "locked" in (log.health() or "")
        # Nobody appends: health must not wait for somebody who does.
        await until(lambda: log.health() is None)
        answered = await log.append([note("after")])
        await log.aclose()
        assert_stands(engine, answered)

    asyncio.run(main())


def test_two_logs_on_one_file_neither_gap_nor_fork(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to run it again
    draw = random.Random(seed)
    engine = open_engine(tmp_path / "log.db", busy_timeout_seconds=20)
    other_engine = open_engine(tmp_path / "log.db", busy_timeout_seconds=20)

    async def write(log: SqlLog, name: str) -> list[Appended]:
        places: list[Appended] = []
        for number in range(60):
            group = [note(f"{name}-{number}")] * draw.randint(1, 20)
            places += await log.append(group, [payload(f"{name}-{number:02}".ljust(48, "0"))])
        return places

    async def main() -> None:
        first, second = await asyncio.gather(
            open_log(engine, interval_seconds=0.005), open_log(other_engine, interval_seconds=0.005)
        )
        groups = await asyncio.gather(
            *(write(first, f"a{at}") for at in range(4)),
            *(write(second, f"b{at}") for at in range(4)),
        )
        answered = [place for group in groups for place in group]
        size = len(stored_entries(engine))
        proof = await first.inclusion(0, 1)
        assert proof == []
        await asyncio.gather(first.aclose(), second.aclose())
        assert f"\n{size}\n" in (first.checkpoint() or "") + (second.checkpoint() or "")
        keys = [data for data in stored_entries(engine) if b'"key.created"' in data]
        assert len(keys) == 1  # whichever came second used the first one's month key
        assert_stands(engine, answered)
        assert size == len(answered) + 2 + 8 * 60  # each group has one entry for its payload
        assert second.vault.open_payload("a0-00".ljust(48, "0"))
        reopened = await open_log(engine)
        await reopened.aclose()

    asyncio.run(main())
    engine.dispose()
    other_engine.dispose()


def test_the_queue_is_bounded(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine, max_waiting_entries=10)
        with write_transaction(engine):
            tasks = [asyncio.ensure_future(log.append([note("x")] * 5)) for _ in range(8)]
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert any(isinstance(outcome, LogFullError) for outcome in outcomes)
        await log.aclose()
        with pytest.raises(LogUnavailableError, match="closed"):
            await log.append([note("late")])

    asyncio.run(main())


TAMPERS = {
    "UPDATE entries SET bytes = replace(bytes, 'n-605', 'n-999') WHERE seq = 606": "entry 606",
    "UPDATE entries SET leaf_hash = zeroblob(32) WHERE seq = 606": "entry 606",
    "DELETE FROM entries WHERE seq = 606": "entry 606",
    "DELETE FROM entries WHERE seq > 590": "entry 591",
    "UPDATE checkpoints SET root = zeroblob(32)": "size 601",
    "UPDATE checkpoints SET edge = zeroblob(length(edge))": "601",
    "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 1": "601",
    "UPDATE entries SET bytes = CAST(replace(bytes, 'n-598', 'n-999') AS BLOB) WHERE seq = 599": (
        "entry 599"
    ),
}


@pytest.mark.parametrize("statement", TAMPERS)
def test_a_start_refuses_a_log_that_does_not_hold(
    engine: Engine, tmp_path: Path, statement: str
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note(f"n-{at}") for at in range(600)])
        await log.aclose()  # signed at 601
        log = await open_log(engine)
        await log.append([note(f"n-{at}") for at in range(600, 610)])
        copy = open_engine(copy_as_killed(tmp_path / "log.db", tmp_path / "copy.db"))
        await log.aclose()
        with tampering(copy) as execute:
            execute(statement)
        with pytest.raises(LogBrokenError, match=TAMPERS[statement]):
            await open_log(copy)
        copy.dispose()

    asyncio.run(main())


def test_a_start_with_another_key_is_refused(engine: Engine) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from gateway.transparency.notes import Signer

    async def main() -> None:
        await (await open_log(engine)).aclose()
        other = Signer(SIGNER.name, Ed25519PrivateKey.generate())
        with pytest.raises(ConfigError, match="configured key"):
            await open_log(engine, signer=other)

    asyncio.run(main())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries WHERE seq = 2",
        "UPDATE entries SET leaf_hash = zeroblob(32) WHERE seq = 2",
    ],
)
def test_a_log_cut_short_or_changed_while_open_is_never_written_again(
    engine: Engine, statement: str
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note("a"), note("b")])
        with tampering(engine) as execute:
            execute(statement)
        with pytest.raises(LogBrokenError, match="entry 2"):
            await log.append([note("c")])
        with pytest.raises(LogBrokenError):
            await log.append([note("d")])
        await log.aclose()
        assert log.health() is not None
        with read_transaction(engine) as connection:
            assert connection.exec_driver_sql("SELECT max(size) FROM checkpoints").scalar() == 1

    asyncio.run(main())
