"""Which windows were open when, over a whole period, worked out once."""

from bisect import bisect_right
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

    def open_during(self, at_us: int, until_us: int) -> tuple[tuple[str, ...], ...]:
        """The different sets of windows open in [at_us, until_us), sorted; the set of `at_us`
        alone when the span is empty."""
        first = bisect_right(self._instants, at_us)
        last = bisect_right(self._instants, max(at_us, until_us - 1))
        return tuple(sorted(set(self._open[first : last + 1])))

    def epoch_end_us(self, at_us: int) -> int:
        """How long a verdict given at `at_us` could be given again: until a window opens or closes,
        or midnight (UTC), as the gateway's cache has it."""
        midnight_us = at_us - at_us % _DAY_US + _DAY_US
        following = bisect_right(self._instants, at_us)
        if following == len(self._instants):
            return midnight_us
        return min(midnight_us, self._instants[following])
