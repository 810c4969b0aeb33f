"""`gateway change watch`: a line whenever a change moves, and where it stops."""

from typing import Any

import pytest

from gateway.change_watch_cli import line_of, moves
from gateway.clock import ManualClock

HALF = {"environment": "production", "region": "*", "share_permille": 200}
ALL = {"environment": "*", "region": "*", "share_permille": 1000}


def value(stage: str, waits_for: str, step: int | None = None, **more: Any) -> dict[str, Any]:
    rollout = {"step": step, "steps": [HALF, ALL], "failures": []} if step is not None else None
    approval = {"approver": "bob"} if step is not None else None
    return {
        "stage": stage,
        "waits_for": waits_for,
        "rollout": rollout,
        "approval": approval,
        "detail": "",
        **more,
    }


def told(*values: dict[str, Any]) -> list[tuple[str, int]]:
    """Stages that are told, each with the pauses before it."""
    left, pauses = list(values), 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    return [(found["stage"], pauses) for found in moves(lambda: left.pop(0), pause)]


def test_each_move_is_told_once_and_it_ends_where_a_person_is_waited_for() -> None:
    tests, impact = "the gateway: its tests", "the gateway: its impact"
    assert told(
        value("staged", tests),
        value("staged", tests),
        value("tested", impact),
        value("assessed", "an approver who is not alice"),
        value("approved", "never asked for"),
    ) == [("staged", 0), ("tested", 2), ("assessed", 3)]


def test_each_step_of_a_rollout_is_told() -> None:
    assert told(
        value("rolling", "the gateway: step 1 of 2", 0),
        value("rolling", "the gateway: step 2 of 2", 1),
        value("active", ""),
    ) == [("rolling", 0), ("rolling", 1), ("active", 2)]


@pytest.mark.parametrize("stage", ["halted", "rejected", "ended", "active", "standing"])
def test_it_ends_where_nothing_moves_by_itself(stage: str) -> None:
    assert told(value(stage, "an approver who is not alice")) == [(stage, 0)]


def test_lines_say_when_and_what() -> None:
    clock = ManualClock(wall_us=0)
    steps = "00:00:00  rolling   step 1 of 2: production/any, 20 % of collectors"
    assert line_of(value("rolling", "the gateway: step 1 of 2", 0), clock) == steps
    assert line_of(value("active", ""), clock) == "00:00:00  active    in force"
    assert line_of(value("rejected", "", detail="tests failed"), clock).endswith("tests failed")


def test_a_long_failure_stays_within_the_screen_and_steers_no_terminal() -> None:
    halted = value("halted", "an approver who is not alice to end it with reject", 0)
    halted["rollout"]["failures"] = ["never-filter loss: \x1b[2J" + "x, " * 60]
    lines = line_of(halted, ManualClock()).splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b" not in "".join(lines)
    assert "to end it with reject" in lines[-1]
