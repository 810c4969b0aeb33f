"""What the log in a database does beyond the port."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.errors import EntryRefusedError, LogBrokenError
from gateway.audit.port import Draft
from gateway.clock import ManualClock, SystemClock
from gateway.errors import ConfigError
from gateway.storage.engine import Engine, read_transaction, write_transaction
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import parse_entry
from gateway.transparency.verdict import Word
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, stored_entries, verify


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def checkpoint_sizes(engine: Engine) -> list[int]:
    with read_transaction(engine) as connection:
        rows = connection.exec_driver_sql("SELECT size FROM checkpoints ORDER BY size").all()
    return [row[0] for row in rows]


def test_checkpoints_come_at_most_once_an_interval_and_at_the_end(engine: Engine) -> None:
    async def main() -> None:
        clock = ManualClock()
        log = await open_log(engine, clock=clock, interval_seconds=1.0)
        for _ in range(20):
            await log.append([note("x")])
        assert checkpoint_sizes(engine) == [1]
        clock.advance(1.0)
        await log.append([note("x")])
        await log.append([note("x")])
        await log.append([note("x")])
        sizes = checkpoint_sizes(engine)
        assert len(sizes) == 2
        await log.aclose()
        assert checkpoint_sizes(engine) == [*sizes, 24]
        newest = log.checkpoint()
        assert newest is not None
        assert open_checkpoint(newest, SIGNER.verifier).size == 24

    asyncio.run(main())


def test_an_idle_log_is_signed_without_another_append(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine, interval_seconds=0.05)
        await log.append([note("x")])
        await asyncio.sleep(1.0)
        assert checkpoint_sizes(engine)[-1] == 2
        await log.aclose()
        assert len(checkpoint_sizes(engine)) == 2  # and not signed again without entries

    asyncio.run(main())


def test_times_are_the_clocks_also_when_it_steps_back(engine: Engine) -> None:
    async def main() -> None:
        clock = ManualClock()
        log = await open_log(engine, clock=clock)
        await log.append([note("a")])
        clock.wall_us -= 3_600_000_000
        await log.append([note("b")])
        await log.aclose()
        times = [parse_entry(data).time_us for data in stored_entries(engine)]
        assert times[2] == times[1] - 3_600_000_000

    asyncio.run(main())


def test_a_function_that_fails_fails_its_group_alone(engine: Engine) -> None:
    def fail(_first: int) -> bytes:
        raise KeyError("planted")

    async def main() -> None:
        log = await open_log(engine)
        bad, good = await asyncio.gather(
            log.append([note("a"), Draft("t", ACTOR, fail)]),
            log.append([note("b")]),
            return_exceptions=True,
        )
        assert isinstance(bad, EntryRefusedError)
        assert isinstance(good, list)
        assert log.health() is None
        await log.aclose()

    asyncio.run(main())


def test_a_cancelled_caller_does_not_hurt_the_others(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        tasks = [asyncio.ensure_future(log.append([note(str(at))])) for at in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, list) for outcome in outcomes[1::2])
        await log.aclose()
        assert verify(engine).word is Word.UNANCHORED

    asyncio.run(main())


def test_closing_writes_what_waits(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        tasks = [asyncio.ensure_future(log.append([note(str(at))])) for at in range(50)]
        await asyncio.sleep(0)
        await log.aclose()
        await asyncio.gather(*tasks)
        assert len(stored_entries(engine)) == 51
        assert checkpoint_sizes(engine)[-1] == 51

    asyncio.run(main())


def test_background_verification_turns_health_bad(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([note(f"n-{at}") for at in range(2_000)])
        await log.aclose()
        log = await open_log(engine)
        log.verify_in_background().join()
        assert log.health() is None
        await log.aclose()
        with write_transaction(engine) as connection:  # far from the right edge: a start is fast
            connection.exec_driver_sql(
                "UPDATE entries SET bytes = CAST(replace(bytes, 'n-4', 'n-5') AS BLOB) "
                "WHERE seq = 5"
            )
        log = await open_log(engine)
        log.verify_in_background().join()
        assert "TAMPERED" in (log.health() or "")
        for ask in (log.heads, log.journal):  # what is in force cannot be known from such a log
            with pytest.raises(LogBrokenError, match="TAMPERED"):
                await ask()
        await log.aclose()

    asyncio.run(main())


def test_a_signer_of_another_name_is_refused(engine: Engine) -> None:
    from gateway.audit.sql_log import SqlLog

    with pytest.raises(ConfigError, match="must agree"):
        asyncio.run(
            SqlLog.open(engine, "other.org/log", SIGNER, MemoryKeyService(), SystemClock(), ACTOR)
        )
