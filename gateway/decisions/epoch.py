"""The verdict cache. An epoch is everything that a verdict depends on besides its class.

A new activation, a time window that opens or closes, or a new month begins a new epoch with empty
tables, so a verdict can never outlive what it was given under.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from gateway.clock import format_time
from gateway.decisions.leases import LeasedVerdict
from gateway.decisions.policy import ActivePolicy
from gateway.wire.classes import Sender

MAX_CLASSES = 200_000  # about 400 MB of verdicts; past it the tables begin anew


@dataclass(slots=True)
class Epoch:
    """Verdicts recorded under one policy, one set of active windows and one month."""

    policy: ActivePolicy
    windows: tuple[str, ...]
    month: str
    begins_us: int
    ends_us: int
    lease_ends_us: int
    tables: dict[Sender, dict[Hashable, LeasedVerdict]] = field(default_factory=dict)
    count: int = 0

    def covers(self, policy: ActivePolicy, now_us: int) -> bool:
        """Whether a verdict of this epoch still holds; a clock that stepped back ends it too."""
        return self.policy is policy and self.begins_us <= now_us < self.ends_us

    def table(self, sender: Sender) -> dict[Hashable, LeasedVerdict]:
        """The verdicts for one environment, region and tier."""
        return self.tables.setdefault(sender, {})

    def remember(self, sender: Sender, key: Hashable, verdict: LeasedVerdict) -> None:
        """Keep a verdict whose entry is durable."""
        if self.count >= MAX_CLASSES:
            self.tables.clear()
            self.count = 0
        self.table(sender)[key] = verdict
        self.count += 1


def begin_epoch(policy: ActivePolicy, now_us: int) -> Epoch:
    """The epoch of this moment."""
    boundary_us = policy.schedule.next_boundary_us(now_us)
    day_us = 86_400_000_000
    midnight_us = now_us - now_us % day_us + day_us  # a month ends at one: look again each day
    lease_ends_us = now_us + 2 * day_us if boundary_us is None else boundary_us
    return Epoch(
        policy=policy,
        windows=policy.schedule.active(now_us),
        month=format_time(now_us)[:7],
        begins_us=now_us,
        ends_us=min(midnight_us, lease_ends_us),
        lease_ends_us=lease_ends_us,
    )
