"""P6: whatever is appended, removed and restarted, in whichever order, by two processes on one log:
it verifies, no process calls it broken, and each payload is there, or lawfully gone, as it must."""

import asyncio
import random
from pathlib import Path

import pytest

from gateway.audit.lost import Lost
from gateway.audit.port import Payload, Removal
from gateway.audit.sql_log import SqlLog
from gateway.clock import ManualClock, format_time
from gateway.recorded.port import Absences
from gateway.storage.engine import Engine, read_transaction
from gateway.storage.recorded_store import SqlRecordedEntries
from gateway.transparency.verdict import Word
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ORIGIN
from tests.fakes.removals import remove
from tests.fakes.sql_logs import note, open_engine, open_log, stored_entries, verify

WORLDS, STEPS = 2, 30
REGIONS = ("eu-west-1", "us-east-1")
MONTH_SECONDS = 31 * 86_400.0
TILE = 256


class World:
    """Two processes on one log, and what must be so."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.draw = random.Random(seed)
        self.keys = MemoryKeyService()
        self.clock = ManualClock()
        self.engines = [open_engine(folder / "log.db", busy_timeout_seconds=20) for _ in range(2)]
        self.logs: list[SqlLog] = []
        self.places: dict[str, int] = {}  # class id -> the entry before its commitment
        self.month_keys: dict[str, str] = {}  # class id -> its month key
        self.expected: dict[str, bytes | Lost] = {}
        self.sealed = 0
        self.purged_below = 0

    @property
    def engine(self) -> Engine:
        return self.engines[0]

    @property
    def month(self) -> str:
        return format_time(self.clock.now_us())[:7]

    async def start(self) -> None:
        for engine in self.engines:
            self.logs.append(await open_log(engine, self.keys, self.clock))

    async def step(self) -> None:
        log = self.draw.choice(self.logs)
        choose = (self.append, self.append, self.restart, self.wait, self.erase, self.purge)
        await self.draw.choice((*choose, self.purge_entries))(log)

    async def append(self, log: SqlLog) -> None:
        payloads = []
        for _ in range(self.draw.randrange(4)):
            class_id = f"{len(self.places):048x}"
            region = self.draw.choice(REGIONS)
            payloads.append(Payload(class_id, region, "decisions", class_id.encode() * 3))
            self.places[class_id] = -1
            self.month_keys[class_id] = f"{ORIGIN}/{region}/decisions/{self.month}"
            self.expected[class_id] = payloads[-1].plaintext
        count = self.draw.choice((1, 2, 300))
        last = (await log.append([note("x")] * count, payloads))[-1]
        for payload in payloads:
            self.places[payload.class_id] = last.seq

    async def restart(self, log: SqlLog) -> None:
        at = self.logs.index(log)
        await log.aclose()
        self.logs[at] = await open_log(self.engines[at], self.keys, self.clock)
        self.sealed = len(self.present()) + self.purged()

    async def wait(self, log: SqlLog) -> None:
        self.clock.advance(MONTH_SECONDS)

    async def erase(self, log: SqlLog) -> None:
        chosen = tuple(class_id for class_id in self.places if self.draw.random() < 0.2)
        if not chosen:
            return
        await remove(log, Removal(class_ids=chosen))
        self.expected.update(dict.fromkeys(chosen, Lost.ERASED))

    async def purge(self, log: SqlLog) -> None:
        over = sorted({key for key in self.month_keys.values() if key[-7:] < self.month})
        if not over:
            return
        key = self.draw.choice(over)
        under = [class_id for class_id, one in self.month_keys.items() if one == key]
        left = [one for one in under if isinstance(self.expected[one], bytes)]
        await remove(log, Removal(month_keys=(key,)), len(left))
        self.expected.update(dict.fromkeys(left, Lost.PURGED))

    async def purge_entries(self, log: SqlLog) -> None:
        first = self.purged_below
        last = first + TILE * self.draw.randint(1, 3) - 1
        if last + 1 < self.sealed:
            await remove(log, Removal(first=first, last=last))
            self.purged_below = last + 1

    def present(self) -> list[bytes]:
        return stored_entries(self.engine)

    def purged(self) -> int:
        with read_transaction(self.engine) as connection:
            query = f"SELECT count(*) FROM entries WHERE seq < {self.purged_below}"
            return self.purged_below - int(connection.exec_driver_sql(query).scalar() or 0)

    def verify(self) -> None:
        for log in self.logs:
            assert log.health() is None
            assert log.vault.open_many(self.places) == self.expected
        recorded = SqlRecordedEntries(self.engine, ORIGIN)
        size = len(self.present()) + self.purged()
        assert recorded.size() == size
        assert recorded.absent(0, size) == Absences(self.purged(), 0)

    async def end(self) -> None:
        await self.restart(self.logs[0])  # which signs what was removed last
        watch = self.logs[0].verify_in_background()
        await asyncio.to_thread(watch.join)
        assert self.logs[0].health() is None
        for log in self.logs:
            await log.aclose()
            assert log.health() is None
        verdict = verify(self.engine)
        assert verdict.word is Word.UNANCHORED, verdict.sentence
        for engine in self.engines:
            engine.dispose()


@pytest.mark.parametrize("number", range(WORLDS))
def test_a_log_stays_whole_through_removals(tmp_path: Path, number: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to run it again

    async def main() -> None:
        world = World(tmp_path, seed)
        await world.start()
        for _ in range(STEPS):
            await world.step()
            world.verify()
        await world.end()

    asyncio.run(main())
