"""Time, injected. Nothing else in the product asks the system for the time."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

_MICROSECONDS = 1_000_000


class Clock(Protocol):
    """A wall clock and a monotonic clock that goes on during suspend."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""

    def boottime_ns(self) -> int:
        """Nanoseconds on the boot-time monotonic clock (CLOCK_BOOTTIME where there is one)."""


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def boottime_ns(self) -> int:
        boottime = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.clock_gettime_ns(boottime)


@dataclass
class ManualClock:
    """A clock that tests move by hand."""

    wall_us: int = 1_767_323_045_000_006
    boot_ns: int = 1_000_000_000

    def now_us(self) -> int:
        return self.wall_us

    def boottime_ns(self) -> int:
        return self.boot_ns

    def advance(self, seconds: float) -> None:
        """Move both clocks on; use the fields to step one of them alone."""
        self.wall_us += int(seconds * _MICROSECONDS)
        self.boot_ns += int(seconds * 1_000_000_000)


@lru_cache(maxsize=64)  # the entries of a transaction share a moment
def format_time(time_us: int) -> str:
    """`2026-01-02T03:04:05.000006Z`: always six digits and Z, so that text order is time order."""
    seconds, micros = divmod(time_us, _MICROSECONDS)
    return f"{_format_seconds(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=64)  # many entries share a second, and strftime is slow
def _format_seconds(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def parse_time(text: str) -> int:
    """The inverse of `format_time`; raises ValueError for any other spelling."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    # Whole seconds alone go through a float: with the fraction, late years would round up.
    seconds = int(moment.replace(microsecond=0).timestamp())
    time_us = seconds * _MICROSECONDS + moment.microsecond
    if format_time(time_us) != text:
        raise ValueError(f"not a time of ours: {text[:40]!r}")
    return time_us
