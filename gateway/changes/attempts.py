"""What failed, why, and when it is tried again: later each time, up to a bound."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from gateway.clock import Clock

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
_MAX_REASON = 1_000
_NANOSECONDS = 1_000_000_000

_log = structlog.get_logger("gateway.changes")


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    pause_seconds: float
    until_ns: int


class Attempts:
    """Attempts by name. A name that never failed is due at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, _Failure] = {}

    @property
    def problem(self) -> str | None:
        """Everything that failed at its last try, or None."""
        found = [f"{name}: {failure.reason}" for name, failure in sorted(self._failures.items())]
        return "; ".join(found) or None

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        failure = self._failures.get(name)
        return failure is None or self._clock.boottime_ns() >= failure.until_ns

    def fail(self, name: str, reason: str) -> None:
        """It failed: twice as long a pause as the last time. Another reason than before is logged:
        nobody waits for what failed, so nobody else would be told."""
        before = self._failures.get(name)
        reason = reason[:_MAX_REASON]
        if before is None or before.reason != reason:
            _log.warning("not done yet, tried again", act=name, reason=reason)
        pause = FIRST_PAUSE_SECONDS if before is None else before.pause_seconds * 2
        pause = min(pause, MAX_PAUSE_SECONDS)
        until_ns = self._clock.boottime_ns() + int(pause * _NANOSECONDS)
        self._failures[name] = _Failure(reason, pause, until_ns)

    def succeed(self, name: str) -> None:
        """It went well."""
        self._failures.pop(name, None)

    def keep(self, names: Collection[str]) -> None:
        """Forget every other name: nobody asks for it any more."""
        for name in self._failures.keys() - set(names):
            del self._failures[name]
