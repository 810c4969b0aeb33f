"""The verdict cache. An epoch is everything that a verdict depends on besides its class.

A new activation, a time window that opens or closes, an exception that ends or a new month begins a
new epoch with empty tables, so a verdict can never outlive what it was given under.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from gateway.clock import format_time
from gateway.decisions.exceptions import Exceptions
from gateway.decisions.lanes import Lane
from gateway.decisions.leases import LeasedVerdict
from gateway.decisions.policy import ActivePolicy
from gateway.wire.classes import Sender

_DAY_US = 86_400_000_000
MAX_CLASSES = 200_000  # about 400 MB of verdicts; past it the tables begin anew


@dataclass(slots=True)
class Epoch:
    """Verdicts recorded under one policy, one set of active windows and live exceptions, and one
    month. `candidate_windows` are the active ones of the candidate's own schedule."""

    policy: ActivePolicy
    windows: tuple[str, ...]
    candidate_windows: tuple[str, ...]
    exceptions: Exceptions
    month: str
    begins_us: int
    ends_us: int
    lease_ends_us: int
    tables: dict[tuple[Sender, Lane], dict[Hashable, LeasedVerdict]] = field(default_factory=dict)
    count: int = 0

    def covers(self, policy: ActivePolicy, now_us: int) -> bool:
        """Whether a verdict of this epoch still holds; a clock that stepped back ends it too."""
        return self.policy is policy and self.begins_us <= now_us < self.ends_us

    def table(self, sender: Sender, lane: Lane) -> dict[Hashable, LeasedVerdict]:
        """The verdicts for one environment, region and tier, in one lane."""
        return self.tables.setdefault((sender, lane), {})

    def remember(self, sender: Sender, lane: Lane, key: Hashable, verdict: LeasedVerdict) -> None:
        """Keep a verdict whose entry is durable."""
        if self.count >= MAX_CLASSES:
            self.tables.clear()
            self.count = 0
        self.table(sender, lane)[key] = verdict
        self.count += 1


def begin_epoch(policy: ActivePolicy, now_us: int) -> Epoch:
    """The epoch of this moment."""
    exceptions = policy.exceptions.live(now_us)
    candidate = policy.candidate
    ends = [policy.schedule.next_boundary_us(now_us), exceptions.ends_us]
    if candidate is not None:
        ends.append(candidate.schedule.next_boundary_us(now_us))
    midnight_us = now_us - now_us % _DAY_US + _DAY_US  # a month ends at one: look again each day
    lease_ends_us = min((end for end in ends if end is not None), default=now_us + 2 * _DAY_US)
    return Epoch(
        policy=policy,
        windows=policy.schedule.active(now_us),
        candidate_windows=candidate.schedule.active(now_us) if candidate else (),
        exceptions=exceptions,
        month=format_time(now_us)[:7],
        begins_us=now_us,
        ends_us=min(midnight_us, lease_ends_us),
        lease_ends_us=lease_ends_us,
    )
