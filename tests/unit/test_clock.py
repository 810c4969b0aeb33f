"""Times have one spelling."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock, SystemClock, format_time, parse_time

YEAR_9999_US = 253_402_300_799_999_999


@given(st.integers(0, YEAR_9999_US), st.integers(0, YEAR_9999_US))
def test_text_order_is_time_order(one: int, other: int) -> None:
    assert parse_time(format_time(one)) == one
    assert (format_time(one) < format_time(other)) == (one < other)


def test_the_documented_spelling() -> None:
    assert format_time(ManualClock().now_us()) == "2026-01-02T03:04:05.000006Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05.6Z",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000006+00:00",
        "2026-01-02t03:04:05.000006Z",
        "2026-1-02T03:04:05.000006Z",
        "2026-02-29T03:04:05.000006Z",
        "2026-01-02T24:04:05.000006Z",
        "2026-01-02T03:04:60.000006Z",
        "2026-01-02T03:04:05.000006Z ",
        "٢٠٢٦-01-02T03:04:05.000006Z",
        "",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


def test_manual_clock_moves_both_hands() -> None:
    clock = ManualClock(wall_us=5, boot_ns=7)
    clock.advance(1.5)
    assert (clock.now_us(), clock.boottime_ns()) == (1_500_005, 1_500_000_007)


def test_system_clock_reads_the_machine() -> None:
    clock = SystemClock()
    before = time.time_ns() // 1000
    assert before <= clock.now_us() <= time.time_ns() // 1000
    first = clock.boottime_ns()
    assert first <= clock.boottime_ns()
