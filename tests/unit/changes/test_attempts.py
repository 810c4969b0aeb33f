from structlog.testing import capture_logs

from gateway.changes.attempts import MAX_PAUSE_SECONDS, Attempts
from gateway.clock import ManualClock


def test_what_never_failed_is_due_and_no_problem() -> None:
    attempts = Attempts(ManualClock())
    assert attempts.is_due("a")
    assert attempts.problem is None


def test_a_failure_is_tried_again_later_each_time_up_to_a_bound() -> None:
    clock = ManualClock()
    attempts = Attempts(clock)
    pauses = []
    for _ in range(9):
        attempts.fail("a", "down")
        pause = 0.0
        while not attempts.is_due("a"):
            clock.advance(0.5)
            pause += 0.5
        pauses.append(pause)
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == MAX_PAUSE_SECONDS


def test_a_wall_clock_that_steps_back_holds_nothing_up() -> None:
    clock = ManualClock()
    attempts = Attempts(clock)
    attempts.fail("a", "down")
    clock.advance(1)
    clock.wall_us -= 3_600_000_000
    assert attempts.is_due("a")


def test_the_problem_names_all_that_fail_until_they_succeed_or_are_forgotten() -> None:
    attempts = Attempts(ManualClock())
    attempts.fail("b", "down")
    attempts.fail("a", "full")
    assert attempts.problem == "a: full; b: down"
    attempts.succeed("a")
    assert attempts.problem == "b: down"
    attempts.keep(["c"])
    assert attempts.problem is None


def test_a_failure_is_logged_once_for_each_reason() -> None:
    attempts = Attempts(ManualClock())
    with capture_logs() as logs:
        for reason in ("down", "down", "full", "full"):
            attempts.fail("a", reason)
        attempts.succeed("a")
        attempts.fail("a", "full")
    assert [(line["act"], line["reason"]) for line in logs] == [
        ("a", "down"),
        ("a", "full"),
        ("a", "full"),
    ]
