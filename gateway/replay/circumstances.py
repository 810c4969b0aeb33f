"""What a recorded verdict was given under, made again and held against what its entry pins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.audit.port import BundleStore
from gateway.decisions.exceptions import Exceptions
from gateway.decisions.floor import Floor
from gateway.engine.port import Engine
from gateway.errors import EngineError, GatewayError
from gateway.recorded.bundles import StoredBundle, stored_bundle
from gateway.recorded.entries import ACTIVE_LANE, CANARY_LANE, Evaluations
from gateway.recorded.floors import floor_of
from gateway.recorded.protection import live_exceptions
from gateway.recorded.serving import ServingHistory, ServingRecord
from gateway.replay.engines import Engines
from gateway.replay.report import Outcome
from gateway.sealed.port import SopsKeyService
from gateway.wire.classes import ClassDeclaration

_SHOWN_DIGITS = 16
Kept = TypeVar("Kept")


class UnlikeError(GatewayError):
    """The entry and what was in force contradict each other: the verdicts count as DIFFERENT."""


class UnknownError(GatewayError):
    """What the verdicts were given under cannot be had; `outcome` says what is missing."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Policy:
    """One bundle with its engine, its floor and the names of the windows that were open."""

    engine: Engine
    floor: Floor
    declaration: ClassDeclaration
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything beside the class. `candidate` stands in the lane `canary` alone."""

    active: Policy
    candidate: Policy | None
    exceptions: Exceptions
    other_engine: str


class PastPolicies:
    """Makes circumstances again from history, bundle store and engines."""

    def __init__(
        self,
        history: ServingHistory,
        store: BundleStore,
        engines: Engines,
        any_engine: bool = False,
        key_service: SopsKeyService | None = None,
    ) -> None:
        """`any_engine`: take an engine of another version, and say so. `key_service` opens sealed
        data; verdicts of bundles that have some cannot be repeated without."""
        self._history = history
        self._store = store
        self._engines = engines
        self._any_engine = any_engine
        self._key_service = key_service
        self._bundles: dict[str, StoredBundle] = {}
        self._floors: dict[tuple[int, str], Floor] = {}
        self._serving: dict[int, ServingRecord | None] = {}

    async def of(self, entry: Evaluations) -> Circumstances:
        """The circumstances of an entry's verdicts; raises UnlikeError, UnknownError and
        StorageError."""
        serving = self._serving_at(entry.activation)
        if serving.bundle != entry.bundle:
            raise UnlikeError(
                f"activation {entry.activation} put bundle {_short(serving.bundle)} in force and "
                f"the entry names {_short(entry.bundle)}"
            )
        exceptions = self._exceptions(serving, entry)
        active, other_engine = await self._policy(
            serving, entry, entry.bundle, entry.floor, entry.windows
        )
        candidate = None
        if entry.lane == CANARY_LANE:
            pin = entry.candidate
            if pin is None:
                raise UnlikeError("the lane is canary and the entry names no candidate")
            if serving.candidate != pin.bundle:
                raise UnlikeError(f"bundle {_short(pin.bundle)} was no candidate then")
            candidate, _ = await self._policy(serving, entry, pin.bundle, pin.floor, pin.windows)
        elif entry.lane != ACTIVE_LANE:
            raise UnlikeError(f"there is no lane {entry.lane[:40]!r}")
        return Circumstances(active, candidate, exceptions, other_engine)

    def _serving_at(self, activation: int) -> ServingRecord:
        if activation not in self._serving:
            self._serving[activation] = self._history.serving_at(activation)
        serving = self._serving[activation]
        if serving is None:
            raise UnknownError(
                Outcome.BUNDLE_MISSING, f"nobody knows what activation {activation} put in force"
            )
        return serving

    def _exceptions(self, serving: ServingRecord, entry: Evaluations) -> Exceptions:
        granted = _made(lambda: live_exceptions(serving.exceptions))
        exceptions = granted.live(entry.context_us)
        if exceptions.hash != entry.exceptions:
            raise UnknownError(
                Outcome.BUNDLE_MISSING, "the exceptions that were live then are not known"
            )
        return exceptions

    async def _policy(
        self,
        serving: ServingRecord,
        entry: Evaluations,
        bundle_hash: str,
        floor_hash: str,
        windows: tuple[str, ...],
    ) -> tuple[Policy, str]:
        """The policy, and the version of its engine where that is not the recorded one."""
        bundle = self._bundle(bundle_hash)
        floor = self._floor(serving, bundle, floor_hash)
        try:
            engine = await self._engines.engine_for(bundle)
        except EngineError as error:
            raise UnknownError(
                Outcome.ENGINE_MISSING, f"the engine does not start: {error}"
            ) from None
        other = ""
        if engine.version != entry.engine:
            recorded = f"{entry.engine.name} {entry.engine.version}"
            other = f"{engine.version.name} {engine.version.version}"
            if not self._any_engine:
                raise UnknownError(
                    Outcome.ENGINE_MISSING, f"given by {recorded}; at hand is {other}"
                )
            other = f"{recorded}, repeated by {other}"
        return Policy(engine, floor, bundle.declaration, windows), other

    def _bundle(self, bundle_hash: str) -> StoredBundle:
        if bundle_hash not in self._bundles:
            archive = self._store.get(bundle_hash)
            if archive is None:
                raise UnknownError(
                    Outcome.BUNDLE_MISSING, f"bundle {_short(bundle_hash)} is not in the store"
                )
            bundle = _made(lambda: stored_bundle(bundle_hash, archive, self._key_service))
            if bundle.unopened:
                raise UnknownError(
                    Outcome.BUNDLE_MISSING, f"{bundle.unopened[0]}: sealed, and no key to open it"
                )
            self._bundles[bundle_hash] = bundle
        return self._bundles[bundle_hash]

    def _floor(self, serving: ServingRecord, bundle: StoredBundle, floor_hash: str) -> Floor:
        key = (serving.activation, bundle.hash)
        if key not in self._floors:
            self._floors[key] = _made(lambda: floor_of(serving, bundle))
        if self._floors[key].hash != floor_hash:
            raise UnknownError(
                Outcome.BUNDLE_MISSING,
                f"the floor {_short(floor_hash)} cannot be made again from what is kept",
            )
        return self._floors[key]


def _made(make: Callable[[], Kept]) -> Kept:
    try:
        return make()
    except GatewayError as error:
        raise UnknownError(Outcome.BUNDLE_MISSING, str(error)) from None


def _short(hex_digits: str) -> str:
    return hex_digits[:_SHOWN_DIGITS]
