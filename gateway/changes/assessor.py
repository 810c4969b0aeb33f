"""The impact of a staged bundle on recorded traffic, worked out in the gateway that serves."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from gateway.audit.port import BundleStore
from gateway.bundles.folder import Bundle
from gateway.changes.assembly import protection_rows
from gateway.changes.engines import Engines, Make
from gateway.changes.examination import AssessmentResult
from gateway.changes.journal import Journal
from gateway.changes.state import Governance
from gateway.clock import Clock, format_time
from gateway.decisions.floor import Floor, FloorRow, rows_of
from gateway.decisions.policy import ActivePolicy
from gateway.decisions.windows import Schedule
from gateway.engine.port import EngineFailure, EngineVersion, RuleVerdict
from gateway.errors import BundleError, ChangeRefusedError, GatewayError
from gateway.impact.assessment import assess
from gateway.impact.report import Impact
from gateway.impact.side import Side, side_of
from gateway.impact.unseen import expected_unseen
from gateway.recorded.bundles import StoredBundle, accepted_bundle, stored_bundle
from gateway.recorded.port import ClassVault, RecordedEntries
from gateway.recorded.reading import Reading, read_recorded
from gateway.wire.classes import ProcessClass, Sender

LOOK_BACK_DAYS = 30
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where recorded traffic is read from."""

    entries: RecordedEntries
    vault: ClassVault
    store: BundleStore


class RecordedAssessor:
    """The Assessor port. What is in force answers by the engine that serves it; the candidate by an
    engine of its own, made for the assessment and ended after it. Both without live exceptions:
    what one lifts for some days would hide that the candidate gives it up for good."""

    def __init__(
        self,
        recorded: Recorded,
        journal: Journal,
        engines: Engines,
        policy: Callable[[], ActivePolicy],
        read: Callable[[bytes], Bundle],
        make: Make,
        clock: Clock,
    ) -> None:
        """`read(archive)` opens a stored archive and checks its signature; `make(bundle)` gives an
        engine that can be asked and that may take its time."""
        self._recorded = recorded
        self._journal = journal
        self._engines = engines
        self._policy = policy
        self._read = read
        self._make = make
        self._clock = clock

    async def assess(self, bundle_hash: str) -> AssessmentResult:
        """As Assessor, over the last 30 days; raises BundleError, EngineError, StorageError,
        KeyServiceError."""
        bundle = await asyncio.to_thread(self._open, bundle_hash)
        reading = await asyncio.to_thread(self._read_traffic)
        active = await self._active_side(self._journal.state)
        stored = accepted_bundle(bundle)
        engine = await self._make(bundle)
        try:
            floor = self._floor(self._journal.state, rows_of(bundle))
            candidate = side_of(stored, floor, engine)
            impact = await assess(candidate, active, reading.classes, self._clock)
        finally:
            await engine.aclose()
        return await asyncio.to_thread(_result, stored, impact, reading)

    async def _active_side(self, state: Governance) -> Side:
        """Where what is in force cannot answer now, what was recorded stands for it: a bundle that
        cannot be served must not keep the one after it out."""
        if state.active is None:
            raise ChangeRefusedError("nothing is in force yet, so there is nothing to compare with")
        try:
            live = await self._engines.ready(state.active.bundle, is_candidate=False)
            is_down = await live.engine.health() is not None
        except GatewayError:
            return await self._unserved_side(state.active.bundle)
        floor = self._floor(state, live.rows)
        engine = Unserved() if is_down else live.engine
        return side_of(accepted_bundle(live.bundle), floor, engine)

    async def _unserved_side(self, bundle_hash: str) -> Side:
        archive = await asyncio.to_thread(self._recorded.store.get, bundle_hash)
        if archive is None:
            raise BundleError("the bundle in force is not in the store; restore a backup")
        stored = await asyncio.to_thread(stored_bundle, bundle_hash, archive)
        # No verdict comes of this floor, since the engine gives no answer.
        return side_of(stored, self._policy().floor, Unserved())

    def _floor(self, state: Governance, rows: Sequence[FloorRow]) -> Floor:
        protections = protection_rows([one.row for one in state.protections])
        return Floor(self._policy().floor.file, rows, protections)

    def _open(self, bundle_hash: str) -> Bundle:
        archive = self._recorded.store.get(bundle_hash)
        if archive is None:
            raise BundleError(f"bundle {bundle_hash[:16]} is not in the store; stage it again")
        return self._read(archive)

    def _read_traffic(self) -> Reading:
        now_us = self._clock.now_us()
        recorded = self._recorded
        return read_recorded(
            recorded.entries,
            recorded.vault,
            format_time(now_us - LOOK_BACK_DAYS * _DAY_US)[:10],
            format_time(now_us)[:10],
            _Schedules(recorded.store).of,
        )


class Unserved:
    """The Engine port of a bundle that cannot be asked."""

    @property
    def version(self) -> EngineVersion:
        return EngineVersion("none", "")

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[RuleVerdict | EngineFailure]:
        return [EngineFailure("not_served")] * len(classes)

    async def health(self) -> str | None:
        return "it is not served"

    async def aclose(self) -> None:
        return None


class _Schedules:
    """The windows of bundles of the past, each read once."""

    def __init__(self, store: BundleStore) -> None:
        self._store = store
        self._known: dict[str, Schedule | None] = {}

    def of(self, bundle_hash: str) -> Schedule | None:
        """None for a bundle that is not kept."""
        if bundle_hash not in self._known:
            archive = self._store.get(bundle_hash)
            self._known[bundle_hash] = (
                None if archive is None else stored_bundle(bundle_hash, archive).schedule
            )
        return self._known[bundle_hash]


def _result(bundle: StoredBundle, impact: Impact, reading: Reading) -> AssessmentResult:
    report = {
        **impact.record(),
        "bundle": bundle.hash,
        "first_day": reading.first_day,
        "last_day": reading.last_day,
        "revision": bundle.revision,
        "unreadable": dict(reading.unreadable),
        "unseen": [asdict(row) for row in expected_unseen(bundle, reading.classes)],
    }
    return AssessmentResult(
        report=json.dumps(report, sort_keys=True).encode(),
        classes=impact.classes,
        verdicts=impact.verdicts,
        more=impact.changed_now.more,
        less=impact.changed_now.less,
        losses=tuple(loss.name for loss in impact.losses),
    )
