"""A value that changes now and then, and whoever waits for it to change. For one event loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Published(Generic[T]):
    """The newest value. `close` lets everybody who waits go, for good."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def is_closed(self) -> bool:
        return self._closed

    def current(self) -> T:
        """The newest value."""
        return self._value

    def publish(self, value: T) -> None:
        """Replace the value and wake who waits."""
        self._value = value
        self._wake()

    def close(self) -> None:
        """Nobody waits any more: call it before the listener stops."""
        self._closed = True
        self._wake()

    async def wait_until(self, is_met: Callable[[T], bool], seconds: float) -> bool:
        """Whether a value is met within the time; at once when it is already."""
        try:
            async with asyncio.timeout(seconds):
                while not is_met(self._value):
                    if self._closed:
                        return False
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
