"""What the composition joins by hand."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.app import _forget_what_is_removed, _notes
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


@pytest.mark.parametrize(
    ("timestamps", "told"),
    [
        (None, {}),
        (SimpleNamespace(failure=None), {}),
        (SimpleNamespace(failure="it is silent"), {"timestamps": "it is silent"}),
    ],
)
def test_readiness_notes_an_authority_that_does_not_stamp(
    timestamps: object, told: dict[str, str]
) -> None:
    opened = SimpleNamespace(
        archiving=None,
        log=SimpleNamespace(unscrubbed=lambda: None),
        witnessing=SimpleNamespace(problem=lambda: None, timestamps=timestamps),
    )
    assert _notes(cast("Any", opened)) == told


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
