"""Which windows were open when, over a whole period, worked out once."""

from bisect import bisect_left, bisect_right
from collections import Counter

from gateway.decisions.windows import Schedule

_STEP_US = 7 * 86_400_000_000  # a window tells its spans for eight days at a time
_DAY_US = 86_400_000_000


class Timeline:
    """The open windows of a schedule in [first_us, last_us)."""

    def __init__(self, schedule: Schedule, first_us: int, last_us: int) -> None:
        spans = {
            (window.name, start, end)
            for window in schedule.windows
            for around_us in range(first_us, last_us + _STEP_US, _STEP_US)
            for start, end in window.spans(around_us)
            if end > start
        }
        changes: dict[int, Counter[str]] = {}
        for name, start, end in spans:
            changes.setdefault(start, Counter())[name] += 1
            changes.setdefault(end, Counter())[name] -= 1
        self._instants = sorted(changes)
        self._open: list[tuple[str, ...]] = [()]  # before the first change
        standing: Counter[str] = Counter()
        for instant in self._instants:
            standing.update(changes[instant])
            self._open.append(tuple(sorted(name for name, count in standing.items() if count > 0)))

    def open_at(self, at_us: int) -> tuple[str, ...]:
        """Sorted names of the windows that are open then."""
        return self._open[bisect_right(self._instants, at_us)]

    def changes(self, after_us: int, before_us: int) -> list[int]:
        """The instants between the two at which a window opens or closes."""
        first = bisect_right(self._instants, after_us)
        return self._instants[first : bisect_left(self._instants, before_us)]

    def epoch_end_us(self, at_us: int) -> int:
        """How long a verdict given at `at_us` could be given again: until a window opens or closes,
        or midnight (UTC), as the gateway's cache has it."""
        midnight_us = at_us - at_us % _DAY_US + _DAY_US
        following = bisect_right(self._instants, at_us)
        if following == len(self._instants):
            return midnight_us
        return min(midnight_us, self._instants[following])


def open_pairs(
    one: Timeline, other: Timeline, at_us: int, until_us: int
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Which windows of two schedules were open together at some moment of [at_us, until_us); of
    `at_us` alone when that is empty."""
    instants = {at_us, *one.changes(at_us, until_us), *other.changes(at_us, until_us)}
    return tuple(sorted({(one.open_at(instant), other.open_at(instant)) for instant in instants}))
