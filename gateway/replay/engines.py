"""Engines by bundle, for policies of the past: few at a time, the least recently used one ends."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.engine.port import Engine
from gateway.recorded.bundles import StoredBundle

MAX_RUNNING = 3  # a canary needs two


class Engines(Protocol):
    """Gives the engine that serves a bundle."""

    async def engine_for(self, bundle: StoredBundle) -> Engine:
        """A running engine; raises EngineError when it cannot be started."""


class EnginePool:
    """Starts engines as they are asked for; close it after use."""

    def __init__(
        self,
        start: Callable[[StoredBundle], Awaitable[Engine]],
        max_running: int = MAX_RUNNING,
    ) -> None:
        self._start = start
        self._max_running = max_running
        self._running: OrderedDict[str, Engine] = OrderedDict()

    async def engine_for(self, bundle: StoredBundle) -> Engine:
        engine = self._running.get(bundle.hash)
        if engine is None:
            while len(self._running) >= self._max_running:
                _, oldest = self._running.popitem(last=False)
                await oldest.aclose()
            engine = self._running[bundle.hash] = await self._start(bundle)
        self._running.move_to_end(bundle.hash)
        return engine

    async def aclose(self) -> None:
        """End every engine."""
        while self._running:
            _, engine = self._running.popitem()
            await engine.aclose()
