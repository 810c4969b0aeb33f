"""What retention lets go, and whom a search by attributes finds, on a real log."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit.port import Payload, Removal
from gateway.audit.retention import PayloadRule, Retention, SqlRemovals
from gateway.audit.sql_log import SqlLog
from gateway.changes.deed_port import DueEntries, DueMonth, DuePlan, Month
from gateway.clock import ManualClock, parse_time
from gateway.storage.engine import Engine, write_transaction
from tests.fakes.failing_sql import tampering
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ORIGIN
from tests.fakes.removals import remove
from tests.fakes.sql_logs import note, open_engine, open_log

DAY = 86_400.0
FIRST_US = parse_time("2026-01-15T00:00:00.000000Z")
RULES = Retention(
    7,
    (
        PayloadRule("*", "pci", 366),
        PayloadRule("eu-*", "*", 30),
        PayloadRule("us-east-1", "decisions", 60),
    ),
)
EU, US = "eu-west-1", "us-east-1"
A, B, C, D = ("a" * 48, "b" * 48, "c" * 48, "d" * 48)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def class_of(id: str, region: str, kind: str = "decisions", **attributes: str) -> Payload:
    value: canonical.Value = {"class": {"attributes": dict(attributes)}, "salt": id}
    return Payload(id, region, kind, canonical.encode(value))


def removals_of(engine: Engine, log: SqlLog, archived: int = 0) -> SqlRemovals:
    return SqlRemovals(engine, ORIGIN, log.vault, RULES, lambda: archived, lambda first, last: None)


def at(day: str) -> int:
    return parse_time(f"{day}T00:00:00.000000Z")


def key(region: str, kind: str = "decisions", month: str = "2026-01") -> str:
    return f"{ORIGIN}/{region}/{kind}/{month}"


def test_what_is_due_goes_by_what_entries_name_and_not_by_columns(engine: Engine) -> None:
    """Whoever can write to the database could else make a young month look old."""

    async def main() -> None:
        clock = ManualClock(wall_us=FIRST_US)
        log = await open_log(engine, clock=clock)
        await log.append([note("a")], [class_of(A, US, "decisions")])
        with tampering(engine) as execute:
            execute("UPDATE month_keys SET month = '2019-01', region = 'eu-west-1'")
            odd = f"{ORIGIN}/{US}/decisions/2019-13"
            columns = "region, retention_class, month, wrapped"
            execute(f"INSERT INTO month_keys SELECT '{odd}', {columns} FROM month_keys")
        removals = removals_of(engine, log)
        assert removals.due(at("2026-02-01")) == DuePlan()
        [due] = removals.due(at("2026-04-02")).months
        assert due.month == Month(US, "decisions", "2026-01")
        await log.aclose()

    asyncio.run(main())


def test_a_month_is_due_days_after_its_end_by_the_first_rule_that_matches(engine: Engine) -> None:
    async def main() -> None:
        clock = ManualClock(wall_us=FIRST_US)
        log = await open_log(engine, clock=clock)
        kinds = ((A, EU, "decisions"), (B, EU, "pci"), (C, US, "decisions"), (D, US, "other"))
        await log.append([note("a")], [class_of(*kind) for kind in kinds])
        removals = removals_of(engine, log)
        europe = DueMonth(key(EU), Month(EU, "decisions", "2026-01"), 1)
        america = DueMonth(key(US), Month(US, "decisions", "2026-01"), 1)
        cards = DueMonth(key(EU, "pci"), Month(EU, "pci", "2026-01"), 1)
        assert removals.due(at("2026-03-03") - 1) == DuePlan()
        assert removals.due(at("2026-03-03")) == DuePlan((europe,))
        assert removals.due(at("2026-04-02")).months == (europe, america)
        assert removals.due(at("2099-01-01")).months == (europe, cards, america)  # D: no rule
        clock.advance(90 * DAY)
        await remove(log, Removal(class_ids=(C,)))
        assert removals.due(at("2026-04-02")).months[1].payloads == 0
        await remove(log, Removal(month_keys=(key(EU), key(US))))
        assert removals.due(at("2099-01-01")).months == (cards,)
        await log.aclose()

    asyncio.run(main())


def test_entries_are_due_in_whole_old_archived_sealed_tiles(engine: Engine) -> None:
    async def main() -> None:
        clock = ManualClock(wall_us=FIRST_US)
        log = await open_log(engine, clock=clock)
        await log.append([note("old")] * 399)  # with log.opened 400
        clock.advance(20 * DAY)
        await log.append([note("older")] * 300)
        clock.advance(DAY * 365)
        await log.append([note("new")] * 300)
        until = at("2033-03-01")
        await log.aclose()
        log = await open_log(engine, clock=clock)
        assert removals_of(engine, log, 0).due(until) == DuePlan()
        assert removals_of(engine, log, 255).due(until) == DuePlan()
        one = DueEntries(0, 255, "2026-01", "2026-01")
        assert removals_of(engine, log, 511).due(until).entries == (one,)
        both = DueEntries(0, 511, "2026-01", "2026-02")
        assert removals_of(engine, log, 1_000).due(until).entries == (both,)
        assert removals_of(engine, log, 1_000).due(at("2033-01-20")).entries == (one,)
        assert removals_of(engine, log, 1_000).due(at("2033-01-14")).entries == ()
        await remove(log, Removal(first=0, last=255))
        rest = DueEntries(256, 511, "2026-01", "2026-02")
        assert removals_of(engine, log, 1_000).due(until).entries == (rest,)
        await log.aclose()

    asyncio.run(main())


def test_a_tile_with_a_hole_is_never_due(engine: Engine) -> None:
    async def main() -> None:
        clock = ManualClock(wall_us=FIRST_US)
        log = await open_log(engine, clock=clock)
        await log.append([note("old")] * 900)
        await log.aclose()
        with write_transaction(engine) as connection:
            connection.exec_driver_sql("DELETE FROM entries WHERE seq = 300")
        log = await open_log(engine, clock=clock)
        (found,) = removals_of(engine, log, 1_000).due(at("2099-01-01")).entries
        assert (found.first, found.last) == (0, 255)
        await log.aclose()

    asyncio.run(main())


def test_a_search_by_attributes_finds_exactly_those(engine: Engine) -> None:
    async def main() -> None:
        keys = MemoryKeyService()
        clock = ManualClock(wall_us=FIRST_US)
        log = await open_log(engine, keys, clock)
        label = "k8s.pod.label.app"
        ann = {"process.owner": "ann", label: "x"}
        await log.append(
            [note("a")],
            [
                class_of(A, EU, **ann),
                class_of(B, EU, **{"process.owner": "Ann", label: "x"}),
                class_of(C, US, **{"process.owner": "ann"}),
            ],
        )
        clock.advance(31 * DAY)
        await log.append([note("b")], [class_of(D, EU, **ann)])
        removals = removals_of(engine, log)
        everyone = removals.openable()
        assert everyone == [A, B, C, D]
        calls = keys.calls
        assert removals.match([D, C, B, A], {"process.owner": "ann"}) == [D, C, A]
        assert keys.calls == calls + 3, "one key for each month and region"
        assert removals.match(everyone, {"process.owner": "ann", label: "x"}) == [A, D]
        assert removals.match(everyone, {"process.owner": ""}) == []
        assert removals.match(["e" * 48], {}) == []
        assert removals.months_of([A, D, "e" * 48]) == {
            A: Month(EU, "decisions", "2026-01"),
            D: Month(EU, "decisions", "2026-02"),
        }
        await remove(log, Removal(class_ids=(A,)))
        await remove(log, Removal(month_keys=(key(US),)))
        assert removals.openable() == [B, D]
        assert removals.match(everyone, {"process.owner": "ann"}) == [D]
        await log.aclose()

    asyncio.run(main())
