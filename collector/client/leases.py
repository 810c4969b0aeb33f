"""Leases: the only thing under which a point may be withheld (P1, DESIGN "Class and lease").

They live in memory alone, so a restart or a reboot starts with none.
"""

from dataclasses import dataclass

from gateway.clock import Clock, parse_time
from gateway.wire.classes import ProcessClass, permille_up
from gateway.wire.verdicts import OBLIGATION_TYPES, Verdict, protection

MAX_TTL_SECONDS = 86_400
MAX_CLOCK_DRIFT_US = 2_000_000  # past it, one of the clocks was stepped or the machine resumed
RENEW_SHARE = 3  # renewal begins when a third of the time is left

_NS_PER_US = 1_000


@dataclass(frozen=True)
class Moment:
    """Both clocks at once: when a request was sent."""

    wall_us: int
    boot_ns: int


@dataclass(frozen=True)
class _Held:
    verdict: Verdict
    sent: Moment
    ends_boot_ns: int
    expires_us: int


class LeaseStore:
    """The leases in force, by class key. Whatever it is unsure of, it does not hold."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._activation: int | None = None
        self._newest_activation = 0

    @property
    def activation(self) -> int | None:
        """The activation number last seen."""
        return self._activation

    def mark_sending(self) -> Moment:
        """Both clocks now; taken before a request leaves, handed to `grant` with its answer."""
        return Moment(self._clock.now_us(), self._clock.boottime_ns())

    def observe_activation(self, activation: int) -> None:
        """Void every lease at the first sight of another number, so that 5, 6, 5 revives none."""
        if activation != self._activation:
            self._held.clear()
            self._activation = activation
            self._newest_activation = max(self._newest_activation, activation)

    def grant(self, asked: ProcessClass, verdict: Verdict, sent: Moment) -> bool:
        """Hold the verdict's lease for the class that was asked about; False if it grants none."""
        class_key = asked.key()
        held = self._accept(class_key, asked.sample_permille, verdict, sent)
        if held is None:
            self._held.pop(class_key, None)
            return False
        self._held[class_key] = held
        return True

    def live(self, class_key: str) -> Verdict | None:
        """The verdict under which this class may be acted on now."""
        held = self._find(class_key)
        return held.verdict if held else None

    def is_ending(self, class_key: str) -> bool:
        """Whether it is time to ask (again): no live lease, or a third of its time left."""
        held = self._find(class_key)
        if held is None:
            return True
        left_ns = held.ends_boot_ns - self._clock.boottime_ns()
        return left_ns * RENEW_SHARE <= held.ends_boot_ns - held.sent.boot_ns

    def seconds_left(self, class_key: str) -> float:
        """How long the lease of this class still lasts on the boot-time clock; 0 without one."""
        held = self._find(class_key)
        return (held.ends_boot_ns - self._clock.boottime_ns()) / 1e9 if held else 0.0

    def begin_anew(self) -> None:
        """Another log counts its activations anew."""
        self._held.clear()
        self._activation, self._newest_activation = None, 0

    def void_all(self) -> None:
        """Forget every lease: the gateway refused us, or its evidence does not hold."""
        self._held.clear()

    def _accept(
        self, class_key: str, asked_permille: int, verdict: Verdict, sent: Moment
    ) -> _Held | None:
        lease = verdict.lease
        if (
            lease is None
            or verdict.effect not in ("permitted", "overridden")
            or lease.class_key != class_key
            or lease.activation != self._activation
            or lease.activation != self._newest_activation
            or lease.max_uses is not None  # a limit that this collector cannot count
            or lease.ttl_seconds <= 0
            or not is_understood(verdict)
            or protection(verdict.action, permille_up(verdict.sample_rate)) < asked_permille
        ):
            return None
        try:
            expires_us = parse_time(lease.expires)
        except ValueError:
            return None
        ttl_us = min(min(lease.ttl_seconds, MAX_TTL_SECONDS) * 1_000_000, expires_us - sent.wall_us)
        held = _Held(verdict, sent, sent.boot_ns + ttl_us * _NS_PER_US, expires_us)
        return held if self._is_live(held) else None

    def _find(self, class_key: str) -> _Held | None:
        held = self._held.get(class_key)
        if held is not None and not self._is_live(held):
            del self._held[class_key]  # dead for good, even if a clock steps back later
            return None
        return held

    def _is_live(self, held: _Held) -> bool:
        wall_us, boot_ns = self._clock.now_us(), self._clock.boottime_ns()
        passed_boot_us = (boot_ns - held.sent.boot_ns) // _NS_PER_US
        passed_wall_us = wall_us - held.sent.wall_us
        return (
            held.sent.boot_ns <= boot_ns < held.ends_boot_ns
            and wall_us < held.expires_us
            and abs(passed_wall_us - passed_boot_us) <= MAX_CLOCK_DRIFT_US
        )


def is_understood(verdict: Verdict) -> bool:
    """Whether action, rate and obligations are of kinds known here and agree with each other."""
    rate = verdict.sample_rate
    if verdict.action == "keep":
        consistent = rate == 1
    elif verdict.action == "drop":
        consistent = rate == 0
    else:
        consistent = 0 < rate < 1
    kinds = [obligation.get("type") for obligation in verdict.obligations]
    if not consistent or not all(isinstance(kind, str) for kind in kinds):
        return False
    return OBLIGATION_TYPES.issuperset(kinds) and (
        verdict.action == "keep" or "no_sampling" not in kinds
    )
