"""Time windows: the only way in which time reaches policies (docs/formats.md section 6)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.errors import BundleError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_WINDOWS = 64  # with the length of names: what is active must fit into a log entry's head
MAX_NAME_BYTES = 64
_CLOCK_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?", re.ASCII)
_LOOK_AHEAD_DAYS = 8  # a weekly window changes within a week; one more day for the zone's offset


@dataclass(frozen=True, slots=True)
class Window:
    """Local times on some weekdays. One that ends at or before its start runs past midnight and
    belongs to the day on which it starts."""

    name: str
    zone: ZoneInfo
    days: frozenset[int]
    start: time
    end: time

    def spans(self, around_us: int) -> list[tuple[int, int]]:
        """The [start, end) instants, in microseconds, of this window from yesterday on."""
        today = datetime.fromtimestamp(around_us // 1_000_000, self.zone).date()
        found = []
        for offset in range(-2, _LOOK_AHEAD_DAYS + 1):
            day = today + timedelta(days=offset)
            if day.weekday() in self.days:
                last_day = day if self.end > self.start else day + timedelta(days=1)
                # A local time that occurs twice or never is read both ways: a doubt about time
                # is settled towards the longer window.
                found.append(
                    (min(self._instants(day, self.start)), max(self._instants(last_day, self.end)))
                )
        return found

    def _instants(self, day: date, at: time) -> list[int]:
        local = datetime.combine(day, at, self.zone)
        return [
            int(local.replace(fold=fold).astimezone(UTC).timestamp()) * 1_000_000 for fold in (0, 1)
        ]


@dataclass(frozen=True, slots=True)
class Schedule:
    """All windows of a bundle."""

    windows: tuple[Window, ...]

    def active(self, now_us: int) -> tuple[str, ...]:
        """Sorted names of the windows that are open; several windows may share a name."""
        return tuple(
            sorted(
                {
                    window.name
                    for window in self.windows
                    if any(start <= now_us < end for start, end in window.spans(now_us))
                }
            )
        )

    def next_boundary_us(self, now_us: int) -> int | None:
        """When a window next opens or closes, or None without windows."""
        instants = (
            instant for window in self.windows for span in window.spans(now_us) for instant in span
        )
        return min((instant for instant in instants if instant > now_us), default=None)


def parse_windows(rows: Sequence[Mapping[str, Any]]) -> Schedule:
    """Parse `data.data.windows`; raises BundleError naming the row."""
    if len(rows) > MAX_WINDOWS:
        raise BundleError(f"data/windows: {len(rows)} windows; at most {MAX_WINDOWS}")
    windows = []
    for position, row in enumerate(rows):
        try:
            windows.append(_parse_window(row))
        except (KeyError, ValueError, TypeError, AttributeError, OSError) as error:
            raise BundleError(
                f"data/windows: row {position + 1} is not a window "
                f"({type(error).__name__}: {error}); it needs name, zone, days, from and to"
            ) from None
    return Schedule(tuple(windows))


def _parse_window(row: Mapping[str, Any]) -> Window:
    unknown = set(row) - {"name", "zone", "days", "from", "to", "reason"}
    if unknown:
        raise ValueError(f"unknown setting {sorted(unknown)[0]}")
    days = frozenset(_DAYS.index(day) for day in row["days"])
    if not days or not isinstance(row["name"], str) or not row["name"]:
        raise ValueError("name and days must not be empty")
    if not (row["name"].isascii() and row["name"].isprintable()):
        raise ValueError("a name holds printable ASCII only")  # operators and auditors read it
    if len(row["name"].encode()) > MAX_NAME_BYTES:
        raise ValueError(f"a name has at most {MAX_NAME_BYTES} bytes")
    return Window(
        name=row["name"],
        zone=ZoneInfo(row["zone"]),
        days=days,
        start=_parse_clock_time(row["from"]),
        end=_parse_clock_time(row["to"]) if row["to"] != "24:00" else time(0, 0),
    )


def _parse_clock_time(text: str) -> time:
    # The library alone would take zones ("09:00+05:00"), which belong in `zone`, and "0900".
    if not _CLOCK_TIME.fullmatch(text):
        raise ValueError("from and to look like 09:00")
    return time.fromisoformat(text)
