"""What the composition joins by hand."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from gateway.app import _forget_what_is_removed
from gateway.audit.port import Removal

REMOVAL = Removal(class_ids=("a" * 48,))


class Remembers:
    """A log, a decision service and a vigil, as far as a removal goes."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Removal], None]] = []
        self.forgot = 0

    def on_removal(self, listener: Callable[[Removal], None]) -> None:
        self.listeners.append(listener)

    def forget(self) -> None:
        self.forgot += 1


def test_what_is_removed_is_forgotten_and_after_the_end_nobody_is_hindered() -> None:
    world = Remembers()
    each = cast("Any", world)

    async def run() -> None:
        _forget_what_is_removed(each, each, each)
        await asyncio.to_thread(world.listeners[0], REMOVAL)
        await asyncio.sleep(0)

    asyncio.run(run())
    assert world.forgot == 2
    world.listeners[0](REMOVAL)  # the writing thread lives on for a moment
    assert world.forgot == 2
