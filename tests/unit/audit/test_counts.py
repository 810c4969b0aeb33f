"""Daily counts: exact over days, crashes, restarts and bodies of another shape."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit.port import Draft
from gateway.clock import ManualClock
from gateway.storage.engine import Engine, write_transaction
from tests.fakes.log import ACTOR
from tests.fakes.sql_logs import note, open_engine, open_log

ALL_DAYS = ("2000-01-01", "2100-01-01")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def decisions(*verdicts: tuple[int, int, int]) -> Draft:
    triples: list[canonical.Value] = [list(triple) for triple in verdicts]
    body: dict[str, canonical.Value] = {"activation": 1, "fail_safe": {}, "verdicts": triples}
    return Draft("decisions", ACTOR, canonical.encode(body))


def test_counts_add_up_by_day_and_verdict(engine: Engine) -> None:
    async def main() -> None:
        clock = ManualClock()
        log = await open_log(engine, clock=clock)
        await log.append([decisions((1, 0, 5), (1, 2, 1)), note("not counted")])
        await log.append([decisions((1, 0, 7))])
        clock.advance(86_400)
        await log.append([decisions((1, 0, 2))])
        await log.aclose()
        rows = [tuple(row) for row in await log.daily_counts(*ALL_DAYS)]
        assert rows == [
            ("2026-01-02", 1, 0, 12),
            ("2026-01-02", 1, 2, 1),
            ("2026-01-03", 1, 0, 2),
        ]
        assert len(await log.daily_counts("2026-01-03", "2026-01-03")) == 1

    asyncio.run(main())


def test_counts_lost_with_their_mark_are_made_again_and_never_twice(engine: Engine) -> None:
    async def main() -> None:
        for _ in range(3):
            log = await open_log(engine)
            await log.append([decisions((1, 0, 5))] * 4)
            await log.aclose()
        (row,) = await log.daily_counts(*ALL_DAYS)
        assert row.times == 60
        with write_transaction(engine) as connection:
            connection.exec_driver_sql("DELETE FROM daily_counts")
            connection.exec_driver_sql("DELETE FROM count_marks")
        log = await open_log(engine)
        await log.append([decisions((1, 0, 5))])
        await log.aclose()
        (row,) = await log.daily_counts(*ALL_DAYS)
        assert row.times == 65

    asyncio.run(main())


def test_a_body_of_another_shape_does_not_stop_the_log(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine)
        await log.append([Draft("decisions", ACTOR, b'{"verdicts":"none"}')])
        await log.append([decisions((1, 0, 5))])
        await log.aclose()
        assert log.health() is None
        (row,) = await log.daily_counts(*ALL_DAYS)
        assert row.times == 5

    asyncio.run(main())
