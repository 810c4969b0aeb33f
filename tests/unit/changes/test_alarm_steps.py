"""An alarm stands once, from its raising to its end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.changes.alarm_steps import ENDED, RAISED
from gateway.changes.state import Alarm
from gateway.errors import ChangeRefusedError
from tests.fakes.changes import Queue


def alarm(row: str = "pci-cards", **more: Any) -> dict[str, Any]:
    return {"kind": "service-unseen", "row": row, "control": "C/1", "last_seen": None, **more}


def play(story: Callable[[Queue], Awaitable[None]]) -> None:
    async def run() -> None:
        queue = Queue()
        await queue.begin()
        await story(queue)
        assert await queue.folded() == queue.state

    asyncio.run(run())


def test_an_alarm_stands_until_it_ends_and_changes_nothing_that_is_in_force() -> None:
    async def story(queue: Queue) -> None:
        before = queue.state.activation
        await queue.note(RAISED, **alarm(last_seen="2026-01-02"))
        await queue.note(RAISED, **alarm("other"))
        assert queue.state.alarms[0] == Alarm("service-unseen", "pci-cards", "C/1", "2026-01-02")
        await queue.note(ENDED, **alarm())
        assert [one.row for one in queue.state.alarms] == ["other"]
        assert queue.state.activation == before

    play(story)


def test_an_alarm_is_not_raised_twice_and_not_ended_where_none_stands() -> None:
    async def story(queue: Queue) -> None:
        await queue.note(RAISED, **alarm())
        for type, body, why in (
            (RAISED, alarm(), "stands already"),
            (ENDED, alarm("other"), "no alarm"),
            (ENDED, alarm(kind="other"), "no alarm"),
        ):
            with pytest.raises(ChangeRefusedError, match=why):
                await queue.note(type, **body)

    play(story)


@pytest.mark.parametrize("bent", [{"row": 1}, {"last_seen": 20260102}, {"control": None}])
def test_an_alarm_of_another_form_is_refused(bent: dict[str, Any]) -> None:
    async def story(queue: Queue) -> None:
        with pytest.raises(ChangeRefusedError, match="agreed form"):
            await queue.note(RAISED, **alarm(**bent))

    play(story)
