"""A protected service that is expected and not seen raises an alarm, once, until it is seen."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.bundles.folder import parse_bundle
from gateway.bundles.sealed import SealedData, SealedRow
from gateway.changes.activation import Justification, begin
from gateway.changes.journal import Decide, Journal, JournalDraft
from gateway.changes.notices import UNSEEN, Notice, notices_between
from gateway.changes.state import Governance
from gateway.changes.vigil import SERVICE_UNSEEN, Pace, Vigil
from gateway.clock import ManualClock, format_time
from gateway.errors import BundleError, LogUnavailableError
from gateway.impact.unseen import ProtectingBundle
from gateway.recorded.bundles import accepted_bundle
from gateway.recorded.port import Weight
from gateway.storage.recorded_store import SqlRecordedEntries
from tests.fakes.changes import act
from tests.fakes.decisions import NOW_US
from tests.fakes.engine import FakeEngine
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.recorded import (
    MemoryRecorded,
    Traffic,
    bundle_files_of,
    memory_traffic,
    policy_of,
)
from tests.fakes.sql_logs import open_engine, open_log, stored_entries, verify

DAY = 86_400
WHY = Justification("test", "begin", "")


def row(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "glob": f"{id}-*", "control": "C/1", "reason": "", **more}


CARDS = row("cards")
LEDGER = row("ledger", expected=True)


def day(at_us: int) -> str:
    return format_time(at_us)[:10]


class LateJournal(Journal):
    """`meanwhile` happens once, between a decision's reading and its appending."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def append(self, actor: str, decide: Decide) -> Governance:
        first, self.meanwhile = self.meanwhile, None
        if first is not None:
            await first()
        return await super().append(actor, decide)


class CountedRecorded(MemoryRecorded):
    days: list[str]

    def weights(self, first_day: str, last_day: str) -> Sequence[Weight]:
        assert first_day == last_day
        self.days.append(first_day)
        return super().weights(first_day, last_day)


class Station:
    """One gateway process over a log in memory; `bundle` is what it serves."""

    def __init__(self, traffic: Traffic, recorded: MemoryRecorded, bundle: ProtectingBundle):
        self.bundle: ProtectingBundle | None = bundle
        self.recorded = CountedRecorded(recorded.log)
        self.recorded.days = []
        self.told: list[Notice] = []
        self.pauses: list[float] = []
        self.journal = LateJournal(recorded.log, traffic.clock, tell=self._tell)
        self.vigil = Vigil(
            self.recorded,
            self.recorded,
            self.journal,
            lambda hash: self.bundle,
            traffic.clock,
            ACTOR,
            Pace(300, 3600),
            self._sleep,
        )

    def _tell(self, before: Governance, after: Governance) -> None:
        self.told += [one for one in notices_between(before, after) if one.type == UNSEEN]

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) > 3:
            raise asyncio.CancelledError


class Scene:
    """A log whose first bundle has these rows; `begin` first."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.traffic, recorded = memory_traffic()
        self.clock, self.log = self.traffic.clock, recorded.log
        self._recorded = recorded
        self.bundle = parse_bundle(bundle_files_of(never_filter=rows))

    async def begin(self) -> Station:
        await begin(Journal(self.log, self.clock), self.bundle, "", WHY, ACTOR)
        return self.station()

    def station(self) -> Station:
        return Station(self.traffic, self._recorded, self.bundle)

    async def see(self, *names: str) -> None:
        policy = policy_of(accepted_bundle(self.bundle), FakeEngine())
        await self.traffic.give(policy, dict.fromkeys(names, 1))

    def alarms(self) -> list[tuple[str, str, Any]]:
        found = []
        for data in self.log.bodies("alarm.raised"):
            found.append(("raised", str(data["row"]), data["last_seen"]))
        for data in self.log.bodies("alarm.ended"):
            found.append(("ended", str(data["row"]), data["last_seen"]))
        return found


def play(scene: Scene, story: Callable[[Station], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(await scene.begin())

    asyncio.run(run())


def test_an_expected_service_that_nobody_sees_is_an_alarm_once() -> None:
    scene = Scene(CARDS, LEDGER)

    async def story(station: Station) -> None:
        await scene.see("other")
        scene.clock.advance(2 * DAY)
        with capture_logs() as logs:
            await station.vigil.look()
            await station.vigil.look()
        [body] = scene.log.bodies("alarm.raised")
        assert body == {
            "kind": SERVICE_UNSEEN,
            "row": "ledger",
            "control": "C/1",
            "last_seen": None,
            "prior": 1,
        }
        [line] = logs
        assert (line["log_level"], line["row"], line["control"]) == ("warning", "ledger", "C/1")
        assert "ledger-*" not in str(line)
        [notice] = station.told
        assert (notice.id, notice.waits_for) == ("ledger", "an operator")
        assert "ledger-*" not in str(notice)
        assert len(station.journal.state.alarms) == 1

    play(scene, story)


def test_a_service_that_was_seen_is_expected_until_it_is_seen_again() -> None:
    scene = Scene(CARDS)

    async def story(station: Station) -> None:
        first = day(scene.clock.now_us())
        await scene.see("CARDS-1", "other")
        for _ in range(2):
            scene.clock.advance(DAY)
            await scene.see("other")
            await station.vigil.look()
        assert scene.alarms() == []
        scene.clock.advance(DAY)
        await station.vigil.look()
        assert scene.alarms() == [("raised", "cards", first)]
        for _ in range(40):  # the day on which it was seen is out of sight by then
            scene.clock.advance(DAY)
            await station.vigil.look()
            await scene.station().vigil.look()
        assert scene.alarms() == [("raised", "cards", first)]
        await scene.see("cards-2")
        with capture_logs() as logs:
            await station.vigil.look()
        assert scene.alarms()[1:] == [("ended", "cards", day(scene.clock.now_us()))]
        assert [line["log_level"] for line in logs] == ["info"]
        assert station.journal.state.alarms == ()
        assert len(station.told) == 1

    play(scene, story)


def test_a_row_that_expects_nothing_is_silent_and_so_is_one_that_is_gone() -> None:
    scene = Scene(CARDS, LEDGER)

    async def story(station: Station) -> None:
        first = day(scene.clock.now_us())
        await scene.see("cards-1", "ledger-1")
        scene.clock.advance(3 * DAY)
        await station.vigil.look()
        assert len(scene.alarms()) == 2
        rows = [{**CARDS, "expected": False}]
        station.bundle = parse_bundle(bundle_files_of(never_filter=rows))
        await station.vigil.look()
        assert scene.alarms()[2:] == [("ended", "cards", first), ("ended", "ledger", first)]
        await station.vigil.look()
        assert len(scene.alarms()) == 4

    play(scene, story)


def test_a_young_log_has_not_seen_enough() -> None:
    scene = Scene(LEDGER)

    async def story(station: Station) -> None:
        scene.clock.advance(2 * DAY - 1)
        await station.vigil.look()
        assert scene.alarms() == []
        scene.clock.advance(1)
        await station.vigil.look()
        assert len(scene.alarms()) == 1

    play(scene, story)


def test_of_two_gateways_one_raises_it_and_one_ends_it() -> None:
    scene = Scene(LEDGER)

    async def story(one: Station) -> None:
        other = scene.station()
        scene.clock.advance(2 * DAY)
        one.journal.meanwhile = other.vigil.look
        with capture_logs() as logs:
            await one.vigil.look()
        assert (len(scene.alarms()), len(one.told), len(other.told), len(logs)) == (1, 0, 1, 1)
        await scene.see("ledger-1")
        one.journal.meanwhile = other.vigil.look
        await one.vigil.look()
        assert [what for what, _, _ in scene.alarms()] == ["raised", "ended"]

    play(scene, story)


def test_what_came_in_force_meanwhile_is_for_the_next_look() -> None:
    scene = Scene(LEDGER)

    async def story(station: Station) -> None:
        async def activate() -> None:
            active = station.journal.state.active
            assert active is not None
            body = {
                "bundle": active.bundle,
                "change": act("bundle.activate"),
                "floor_note": "f" * 64,
                "id": None,
                "revision": active.revision,
                "version": active.version,
            }
            draft = JournalDraft("bundle.activated", lambda seq: {**body, "activation": seq})
            await Journal(scene.log, scene.clock).append(ACTOR, lambda state: [draft])

        scene.clock.advance(2 * DAY)
        station.journal.meanwhile = activate
        await station.vigil.look()
        assert scene.alarms() == []
        await station.vigil.look()
        assert len(scene.alarms()) == 1

    play(scene, story)


def test_a_day_that_is_over_is_read_once() -> None:
    scene = Scene(LEDGER)

    async def story(station: Station) -> None:
        await station.vigil.look()
        assert len(station.recorded.days) == 31
        station.recorded.days.clear()
        today = day(scene.clock.now_us())
        await station.vigil.look()
        assert station.recorded.days == [today]
        scene.clock.advance(DAY)
        await station.vigil.look()
        assert station.recorded.days == [today, today, day(scene.clock.now_us())]

    play(scene, story)


def test_after_an_erasure_every_day_is_read_again() -> None:
    scene = Scene(LEDGER)

    async def story(station: Station) -> None:
        await station.vigil.look()
        station.recorded.days.clear()
        station.vigil.forget()
        await station.vigil.look()
        assert len(station.recorded.days) == 31

    play(scene, story)


def test_of_a_sealed_row_only_the_id_is_told() -> None:
    scene = Scene()
    secret = {**row("sealed-1", expected=True), "glob": "secret-*", "control": "SECRET/1"}
    sealed = SealedData("1", b"", (SealedRow("sealed/data.sops.yaml", secret, b"s" * 32),))

    async def story(station: Station) -> None:
        station.bundle = replace(scene.bundle, sealed=sealed)
        scene.clock.advance(2 * DAY)
        with capture_logs() as logs:
            await station.vigil.look()
        [body] = scene.log.bodies("alarm.raised")
        assert (body["row"], body["control"]) == ("sealed-1", "FLOOR")
        assert "secret" not in f"{body} {logs} {station.told}".casefold()

    play(scene, story)


def test_it_looks_some_minutes_after_the_start_and_each_hour() -> None:
    scene = Scene(LEDGER)

    async def story(station: Station) -> None:
        scene.clock.advance(2 * DAY)
        with pytest.raises(asyncio.CancelledError):
            await station.vigil.run()
        assert station.pauses == [300, 3600, 3600, 3600]
        assert station.vigil.problem is None
        assert len(scene.alarms()) == 1

    play(scene, story)


def test_what_cannot_be_looked_at_is_told_and_looked_at_sooner() -> None:
    scene = Scene(LEDGER)

    async def story(station: Station) -> None:
        scene.clock.advance(2 * DAY)
        served, station.bundle = station.bundle, None
        with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
            await station.vigil.run()
        assert station.pauses == [300, 300, 300, 300]
        assert "not served yet" in str(station.vigil.problem)
        assert len(logs) == 1
        with pytest.raises(BundleError):
            await station.vigil.look()
        station.bundle, scene.log.failing = served, "disk full"
        with pytest.raises(LogUnavailableError):
            await station.vigil.look()
        scene.log.failing = None
        await station.vigil.look()
        assert len(scene.alarms()) == 1

    play(scene, story)


def test_two_gateways_on_one_database_raise_it_once_and_a_restart_keeps_it(tmp_path: Path) -> None:
    files = bundle_files_of(never_filter=[CARDS, LEDGER])
    bundle = parse_bundle(files)
    keys, clock = MemoryKeyService(), ManualClock(wall_us=NOW_US)

    async def gateways(count: int) -> list[int]:
        """That many look at once; how many alarms each has in the end."""
        databases = [open_engine(tmp_path / "log.db") for _ in range(count)]
        logs = [await open_log(database, keys, clock) for database in databases]
        journals = [Journal(log, clock) for log in logs]
        vigils = [
            Vigil(
                SqlRecordedEntries(database, ORIGIN),
                log.vault,
                journal,
                lambda hash: bundle if hash == bundle.hash else None,
                clock,
                ACTOR,
            )
            for database, log, journal in zip(databases, logs, journals, strict=True)
        ]
        await asyncio.gather(*(vigil.look() for vigil in vigils))
        found = [len((await journal.refresh()).alarms) for journal in journals]
        for database, log in zip(databases, logs, strict=True):
            await log.aclose()
            database.dispose()
        return found

    async def see(*names: str) -> None:
        database = open_engine(tmp_path / "log.db")
        log = await open_log(database, keys, clock)
        journal = Journal(log, clock)
        if (await journal.refresh()).active is None:
            await begin(journal, bundle, "", WHY, ACTOR)
        policy = policy_of(accepted_bundle(bundle), FakeEngine())
        await Traffic(log, clock).give(policy, dict.fromkeys(names, 1))
        await log.aclose()
        database.dispose()

    async def run() -> None:
        await see("cards-1", "ledger-1")
        clock.advance(3 * DAY)
        await see("other")
        assert await gateways(2) == [2, 2]
        assert await gateways(1) == [2]
        await see("cards-2")
        assert await gateways(2) == [1, 1]

    with capture_logs():
        asyncio.run(run())
    database = open_engine(tmp_path / "log.db")
    entries = [data.decode() for data in stored_entries(database)]
    assert sum('"type":"alarm.raised"' in entry for entry in entries) == 2
    assert sum('"type":"alarm.ended"' in entry for entry in entries) == 1
    assert verify(database).exit_code in (0, 3)
    database.dispose()
