"""What a log goes through on a disk that is full, read-only or slow, told from inside."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from errno import EROFS
from pathlib import Path

from gateway.audit.errors import LogFullError
from gateway.audit.sql_log import SqlLog
from gateway.errors import LogUnavailableError
from tests.fakes.disk_child import World
from tests.fakes.disk_logs import DATABASE, Writer
from tests.fakes.failing_disk import CHANGES, Kind
from tests.fakes.sql_logs import note, open_engine, open_log

ROOM_BYTES = 200_000
SYNC_SECONDS = 0.3
BOUND = 64  # entries that may wait
BURSTS = 6
_BURST = 400
_PAGE_BYTES = 4096


async def fill_the_disk(world: World) -> None:
    """Append until there is no room, twice; then there is room again."""
    await _suffer(world, lambda: world.levers.leave_room(ROOM_BYTES))


async def make_read_only(world: World) -> None:
    """The file system goes read-only, as Linux does after an error; then it is mounted again."""
    await _suffer(world, lambda: world.levers.fail(EROFS, CHANGES | Kind.OPEN))


async def _suffer(world: World, begin: Callable[[], None]) -> None:
    engine = open_engine(world.folder / DATABASE)
    log = await open_log(engine, interval_seconds=0.01)
    writer = Writer(world, log)
    await writer.append([note("before")])
    for _ in range(2):
        begin()
        for _ in range(60):
            await writer.append([note("x" * 8_000)])
        world.tell("health", words=log.health())
        world.levers.heal()
        # Nobody appends: the log finds out by itself.
        await until_healthy(log)
        world.tell("healthy")
        await writer.append([note("went on")])
    await log.aclose()
    writer.look()
    engine.dispose()


async def until_healthy(log: SqlLog) -> None:
    """Wait for the log to find out; fails after ten seconds."""
    for _ in range(2_000):
        if log.health() is None:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(log.health())


async def overload_a_slow_disk(world: World) -> None:
    """Bursts of callers against a bounded queue while each fsync takes its time."""
    engine = open_engine(world.folder / DATABASE)
    log = await open_log(engine, max_waiting_entries=BOUND)
    writer = Writer(world, log)
    world.levers.slow(SYNC_SECONDS)
    outcomes: Counter[str] = Counter()
    slowest, grown, first = 0.0, 0, 0
    for burst in range(BURSTS):
        waits = await asyncio.gather(*(_one(log, outcomes) for _ in range(_BURST)))
        slowest = max(slowest, *waits)
        if burst == BURSTS // 3:
            first = _resident_bytes()
        grown = _resident_bytes() - first
    world.levers.heal()
    await writer.append([note("went on")])
    await log.aclose()
    writer.look()
    engine.dispose()
    world.tell("overload", outcomes=dict(outcomes), slowest=slowest, grown=grown)


async def _one(log: SqlLog, outcomes: Counter[str]) -> float:
    """How long a refusal took; 0 for an answer."""
    began = time.monotonic()
    try:
        await log.append([note("y" * 1_000)])
    except LogFullError:
        outcomes["full"] += 1
        return time.monotonic() - began
    except LogUnavailableError:
        outcomes["unavailable"] += 1
        return 0.0
    outcomes["answered"] += 1
    return 0.0


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
