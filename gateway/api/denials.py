"""Denials are entries, at a bounded rate, so that an attacker cannot fill the log."""

from gateway import canonical
from gateway.audit.port import Draft, Log
from gateway.clock import Clock

BURST = 20
PER_SECOND = 2.0


class DenialRecorder:
    """Writes `denial` entries. Past the rate they are counted and the next entry tells how many
    went unwritten."""

    def __init__(self, log: Log, clock: Clock, actor: str) -> None:
        self._log = log
        self._clock = clock
        self._actor = actor
        self._tokens = float(BURST)
        self._refilled_ns = clock.boottime_ns()
        self._suppressed = 0

    async def record(self, subject_uri: str | None, route: str, status: int, reason: str) -> None:
        """Record one denial; `subject_uri` is None where nobody could be identified.

        Raises LogUnavailableError.
        """
        now_ns = self._clock.boottime_ns()
        refill = (now_ns - self._refilled_ns) / 1e9 * PER_SECOND
        self._tokens = min(float(BURST), self._tokens + refill)
        self._refilled_ns = now_ns
        if self._tokens < 1:
            self._suppressed += 1
            return
        self._tokens -= 1
        body: canonical.Value = {
            "reason": reason[:256],
            "route": route[:128],
            "status": status,
            "suppressed_before": self._suppressed,
        }
        told, self._suppressed = self._suppressed, 0
        try:
            await self._log.append(
                [Draft("denial", subject_uri or self._actor, canonical.encode(body))]
            )
        except BaseException:
            self._suppressed += told + 1  # nothing was told: the next entry tells it all
            raise
