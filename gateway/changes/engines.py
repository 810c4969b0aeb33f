"""One engine per live bundle: made when it is first needed, kept while it is, closed after it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from gateway.audit.port import BundleStore
from gateway.bundles.folder import Bundle
from gateway.bundles.sealed_data import verify_unsealed
from gateway.decisions.floor import FloorRow, rows_of
from gateway.decisions.windows import Schedule, parse_windows
from gateway.engine.port import Engine
from gateway.errors import BundleError, GatewayError

DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LiveBundle:
    """A bundle with the engine that answers by it, and what it adds to floor and schedule."""

    bundle: Bundle
    engine: Engine
    rows: tuple[FloorRow, ...]
    schedule: Schedule


Make = Callable[[Bundle], Awaitable[Engine]]


@dataclass(frozen=True, slots=True)
class Makers:
    """How an engine for a bundle is made, for the one in force and for a candidate. Both give an
    engine that can be asked; it may be the same way."""

    active: Make
    candidate: Make


class Engines:
    """Live bundles. `read(archive)` opens a stored archive, checks its signature, and opens the
    sealed data in it."""

    def __init__(
        self,
        store: BundleStore,
        read: Callable[[bytes], Bundle],
        makers: Makers,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._store = store
        self._read = read
        self._makers = makers
        self._drain_seconds = drain_seconds
        self._live: dict[_Key, asyncio.Task[LiveBundle]] = {}
        self._unused_since: dict[_Key, float] = {}

    def is_ready(self, bundle_hash: str) -> bool:
        """Whether an engine of a candidate can be asked already."""
        task = self._live.get(self._key(bundle_hash, is_candidate=True))
        return bool(task and task.done() and not task.cancelled() and task.exception() is None)

    def bundle(self, bundle_hash: str) -> Bundle | None:
        """The bundle where an engine answers by it."""
        for key, task in self._live.items():
            if key.bundle == bundle_hash and task.done() and not task.cancelled():
                return task.result().bundle if task.exception() is None else None
        return None

    def opened(self, bundle_hash: str) -> Bundle | None:
        """A live bundle, without waiting for any."""
        for key, task in self._live.items():
            is_done = task.done() and not task.cancelled() and task.exception() is None
            if key.bundle == bundle_hash and is_done:
                return task.result().bundle
        return None

    async def ready(self, bundle_hash: str, *, is_candidate: bool) -> LiveBundle:
        """The live bundle, made now unless it is; raises BundleError, EngineError, StorageError.
        A failure is forgotten, so that the next call tries again."""
        key = self._key(bundle_hash, is_candidate)
        self._unused_since.pop(key, None)
        task = self._live.get(key)
        if task is None:
            opening = self._open(key)
            task = asyncio.create_task(opening, name=f"engine-{bundle_hash[:8]}")
            self._live[key] = task
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._live.get(key) is task and task.done():
                del self._live[key]
            raise

    async def retire(self, used: Collection[str]) -> None:
        """Close the engines of bundles that were not in use for the time to drain: questions under
        way end, and an activation that returns to such a bundle finds it warm."""
        now = asyncio.get_running_loop().time()
        for key in list(self._live):
            if key.bundle in used:
                self._unused_since.pop(key, None)
                continue
            since = self._unused_since.setdefault(key, now)
            if now - since >= self._drain_seconds:
                del self._unused_since[key]
                await _close(self._live.pop(key))

    async def aclose(self) -> None:
        """Close every engine."""
        tasks, self._live = list(self._live.values()), {}
        for task in tasks:
            await _close(task)

    def _key(self, bundle_hash: str, is_candidate: bool) -> "_Key":
        return _Key(bundle_hash, is_candidate and self._makers.active != self._makers.candidate)

    async def _open(self, key: "_Key") -> LiveBundle:
        bundle_hash = key.bundle
        archive = await asyncio.to_thread(self._store.get, bundle_hash)
        if archive is None:
            raise BundleError(f"bundle {bundle_hash[:16]} is not in the store; restore a backup")
        bundle = await asyncio.to_thread(self._read, archive)
        if bundle.hash != bundle_hash:
            raise BundleError(
                f"what is stored as bundle {bundle_hash[:16]} is {bundle.hash[:16]}; "
                "restore a backup"
            )
        verify_unsealed(bundle)
        rows = rows_of(bundle)
        schedule = parse_windows(bundle.windows)
        make = self._makers.candidate if key.is_candidate else self._makers.active
        return LiveBundle(bundle, await make(bundle), rows, schedule)


class _Key(NamedTuple):
    """Where both are made the same way, one engine serves as candidate and in force."""

    bundle: str
    is_candidate: bool


async def _close(task: "asyncio.Task[LiveBundle]") -> None:
    if not task.done():
        task.cancel()
    try:
        live = await task
    except (asyncio.CancelledError, GatewayError, OSError):
        return
    await live.engine.aclose()
