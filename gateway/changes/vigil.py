"""The vigil: watches that expected protected services are still seen (docs/formats.md section 9).

A row's pattern protects what it matches. Where a service was renamed or is gone, the pattern
protects nothing and nobody would notice: so once an hour what was recorded is held against the rows
of the bundle in force. Alarms are journal entries, decided on the newest state and appended only if
nobody was first: any number of processes may have a vigil, each alarm is raised once, and one that
stands outlives a restart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from gateway import canonical
from gateway.changes.alarm_steps import ENDED, RAISED
from gateway.changes.attempts import Attempts
from gateway.changes.journal import Journal, JournalDraft
from gateway.changes.state import Activation, Alarm, Governance
from gateway.clock import Clock, format_time
from gateway.errors import BundleError, GatewayError
from gateway.impact.report import Unseen
from gateway.impact.unseen import (
    ProtectingBundle,
    names_seen,
    rows_seen,
    unseen_of,
    watched_rows,
)
from gateway.recorded.port import ClassVault, RecordedEntries
from gateway.recorded.reading import read_recorded

LATELY_DAYS = 2  # leases last at most one day, so whatever runs is asked about within this
EARLIER_DAYS = 28
SERVICE_UNSEEN = "service-unseen"

_WATCHING = "watching for expected services"
_DAY_US = 86_400_000_000

_log = structlog.get_logger("gateway.changes")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """When it looks: `first_seconds` after the start, so that collectors have asked by then, and
    after a look that failed; else each `every_seconds`."""

    first_seconds: float = 300.0
    every_seconds: float = 3_600.0


class Vigil:
    """One process's. `actor` is this gateway's SPIFFE id; `bundle_of(hash)` gives a bundle that is
    served, its sealed data opened, or None."""

    def __init__(
        self,
        entries: RecordedEntries,
        vault: ClassVault,
        journal: Journal,
        bundle_of: Callable[[str], ProtectingBundle | None],
        clock: Clock,
        actor: str,
        pace: Pace = Pace(),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._sightings = _Sightings(entries, vault)
        self._journal = journal
        self._bundle_of = bundle_of
        self._clock = clock
        self._actor = actor
        self._pace = pace
        self._sleep = sleep
        self._attempts = Attempts(clock)

    @property
    def problem(self) -> str | None:
        """Why the last look failed; None when all is well."""
        return self._attempts.problem

    async def run(self) -> None:
        """Look again and again; ends by cancellation."""
        pause_seconds = self._pace.first_seconds
        while True:
            await self._sleep(pause_seconds)
            is_done = await self._try()
            pause_seconds = self._pace.every_seconds if is_done else self._pace.first_seconds

    async def look(self) -> None:
        """Raise and end the alarms that are due. Raises BundleError while the bundle in force is
        not served, StorageError, KeyServiceError, ConflictError and log errors; then nothing was
        raised or ended, or it all was."""
        in_force = (await self._journal.refresh()).active
        if in_force is None:
            return
        bundle = self._bundle_of(in_force.bundle)
        if bundle is None:
            raise BundleError(f"bundle {in_force.revision} is in force and not served yet")
        now_us = self._clock.now_us()
        names = await self._sightings.until(now_us)
        lately = _day(now_us - LATELY_DAYS * _DAY_US)
        found = await asyncio.to_thread(_find, bundle, names, lately)
        await self._settle(in_force, found, now_us)

    def forget(self) -> None:
        """Hold no name any longer: what was erased or purged was not seen."""
        self._sightings = self._sightings.anew()

    async def _try(self) -> bool:
        try:
            await self.look()
        except GatewayError as error:
            self._attempts.fail(_WATCHING, str(error))
        except Exception as error:  # noqa: BLE001 (a defect must not end the watching)
            self._attempts.fail(_WATCHING, f"a defect: {type(error).__name__}")
        else:
            self._attempts.succeed(_WATCHING)
            return True
        return False

    async def _settle(self, in_force: Activation, found: "_Found", now_us: int) -> None:
        raised: list[Alarm] = []
        ended: list[Alarm] = []

        def decide(newest: Governance) -> list[JournalDraft]:
            raised.clear()
            ended.clear()
            if newest.active != in_force:
                return []  # other rows are in force by now: the next look is theirs
            if _is_old_enough(newest, now_us):
                raised.extend(_new_alarms(newest, found))
            ended.extend(_over_alarms(newest, found))
            return [
                *(_draft(RAISED, alarm) for alarm in raised),
                *(_draft(ENDED, alarm) for alarm in ended),
            ]

        await self._journal.append(self._actor, decide)
        for alarm in raised:
            _log.warning("an expected service is not seen", **_told(alarm))
        for alarm in ended:
            _log.info("an alarm is over", **_told(alarm))


@dataclass(frozen=True, slots=True)
class _Found:
    """`seen`: by row, the day on which it was seen lately; `watched`: the rows that may alarm."""

    unseen: tuple[Unseen, ...]
    seen: Mapping[str, str]
    watched: frozenset[str]


class _Sightings:
    """By name of a process, the last day on which it was seen, over the days that count. A day that
    is over is read once; what is kept of it are names, in memory alone."""

    def __init__(self, entries: RecordedEntries, vault: ClassVault) -> None:
        self._entries = entries
        self._vault = vault
        self._names: dict[str, str] = {}
        self._newest = ""

    def anew(self) -> "_Sightings":
        """The same without what it has read."""
        return _Sightings(self._entries, self._vault)

    async def until(self, now_us: int) -> Mapping[str, str]:
        """The names seen since the first day that counts; raises StorageError, KeyServiceError."""
        span_us = (LATELY_DAYS + EARLIER_DAYS) * _DAY_US
        days = [_day(at_us) for at_us in range(now_us - span_us, now_us + 1, _DAY_US)]
        for day in days:
            if day >= self._newest:  # the newest one was not over when it was read
                # One by one, so that neither memory nor a thread is held for a month of them.
                names = await asyncio.to_thread(self._read, day)
                for name, seen in names.items():
                    self._names[name] = max(self._names.get(name, ""), seen)
                self._newest = day
        self._names = {name: day for name, day in self._names.items() if day >= days[0]}
        return self._names

    def _read(self, day: str) -> dict[str, str]:
        # Which windows were open is no matter here.
        reading = read_recorded(self._entries, self._vault, day, day, lambda bundle: None)
        return dict.fromkeys(names_seen(reading.classes), day)


def _find(bundle: ProtectingBundle, names: Mapping[str, str], lately: str) -> _Found:
    rows = watched_rows(bundle)
    days = rows_seen(rows, names)
    seen = {row: day for row, day in days.items() if day >= lately}
    watched = frozenset(one.id for one in rows if one.is_expected is not False)
    return _Found(unseen_of(rows, seen, days), seen, watched)


def _is_old_enough(state: Governance, now_us: int) -> bool:
    """Whether as much was recorded as must be to say that something was not seen lately."""
    return now_us - state.accepted[0].activated_us >= LATELY_DAYS * _DAY_US


def _new_alarms(state: Governance, found: _Found) -> list[Alarm]:
    new = [
        Alarm(SERVICE_UNSEEN, one.row, one.control, one.last_day or None) for one in found.unseen
    ]
    return [alarm for alarm in new if not any(map(partial(_is_same, alarm), state.alarms))]


def _over_alarms(state: Governance, found: _Found) -> list[Alarm]:
    """An alarm does not end because the day on which its service was last seen is long past: only
    when it is seen, or when no row of the bundle expects it any more."""
    return [
        Alarm(one.kind, one.row, one.control, found.seen.get(one.row, one.last_seen))
        for one in state.alarms
        if one.kind == SERVICE_UNSEEN and (one.row in found.seen or one.row not in found.watched)
    ]


def _is_same(one: Alarm, other: Alarm) -> bool:
    return one.is_about(other.kind, other.row)


def _draft(type: str, alarm: Alarm) -> JournalDraft:
    body: dict[str, canonical.Value] = {"kind": alarm.kind, **_told(alarm)}
    return JournalDraft(type, lambda seq: body)


def _told(alarm: Alarm) -> dict[str, Any]:
    """What may be shown: never a pattern."""
    return {"row": alarm.row, "control": alarm.control, "last_seen": alarm.last_seen}


def _day(at_us: int) -> str:
    return format_time(at_us)[:10]
