"""One engine per live bundle: made when it is first needed, kept while it is, closed after it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from gateway.audit.port import BundleStore
from gateway.bundles.folder import Bundle
from gateway.decisions.floor import FloorRow, parse_rows
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


class Engines:
    """Live bundles by hash. `read(archive)` opens a stored archive and checks its signature;
    `make(bundle)` gives an engine that answers with the bundle's revision already."""

    def __init__(
        self,
        store: BundleStore,
        read: Callable[[bytes], Bundle],
        make: Callable[[Bundle], Awaitable[Engine]],
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._store = store
        self._read = read
        self._make = make
        self._drain_seconds = drain_seconds
        self._live: dict[str, asyncio.Task[LiveBundle]] = {}
        self._unused_since: dict[str, float] = {}

    def is_ready(self, bundle_hash: str) -> bool:
        """Whether the bundle's engine answers already."""
        task = self._live.get(bundle_hash)
        return bool(task and task.done() and not task.cancelled() and task.exception() is None)

    async def ready(self, bundle_hash: str) -> LiveBundle:
        """The live bundle, made now unless it is; raises BundleError, EngineError, StorageError.
        A failure is forgotten, so that the next call tries again."""
        self._unused_since.pop(bundle_hash, None)
        task = self._live.get(bundle_hash)
        if task is None:
            task = asyncio.create_task(self._open(bundle_hash), name=f"engine-{bundle_hash[:8]}")
            self._live[bundle_hash] = task
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._live.get(bundle_hash) is task and task.done():
                del self._live[bundle_hash]
            raise

    async def retire(self, used: Collection[str]) -> None:
        """Close the engines of bundles that were not in use for the time to drain: questions under
        way end, and an activation that returns to such a bundle finds it warm."""
        now = asyncio.get_running_loop().time()
        for bundle_hash in used:
            self._unused_since.pop(bundle_hash, None)
        for bundle_hash in [one for one in self._live if one not in used]:
            since = self._unused_since.setdefault(bundle_hash, now)
            if now - since >= self._drain_seconds:
                del self._unused_since[bundle_hash]
                await _close(self._live.pop(bundle_hash))

    async def aclose(self) -> None:
        """Close every engine."""
        tasks, self._live = list(self._live.values()), {}
        for task in tasks:
            await _close(task)

    async def _open(self, bundle_hash: str) -> LiveBundle:
        archive = await asyncio.to_thread(self._store.get, bundle_hash)
        if archive is None:
            raise BundleError(f"bundle {bundle_hash[:16]} is not in the store; restore a backup")
        bundle = await asyncio.to_thread(self._read, archive)
        if bundle.hash != bundle_hash:
            raise BundleError(
                f"what is stored as bundle {bundle_hash[:16]} is {bundle.hash[:16]}; "
                "restore a backup"
            )
        rows = parse_rows(bundle.never_filter, "never_filter rows of the bundle")
        schedule = parse_windows(bundle.windows)
        return LiveBundle(bundle, await self._make(bundle), rows, schedule)


async def _close(task: "asyncio.Task[LiveBundle]") -> None:
    if not task.done():
        task.cancel()
    try:
        live = await task
    except (asyncio.CancelledError, GatewayError, OSError):
        return
    await live.engine.aclose()
