"""Ledger reports: a collector's cumulative counters (docs/formats.md section 4, promise P8)."""

import msgspec


class Counters(msgspec.Struct, frozen=True):
    """Points since the boot epoch; `waiting` is a level. Lost points carry their reason."""

    scraped: int
    exported: int
    sampled_out: int
    dropped: int
    rejected: int
    waiting: int
    lost: dict[str, int]

    def imbalance(self) -> int:
        """0 when the books balance; otherwise scraped less everything accounted for."""
        settled = self.exported + self.sampled_out + self.dropped + self.rejected + self.waiting
        return self.scraped - settled - sum(self.lost.values())


class ClassCounters(msgspec.Struct, frozen=True):
    """Points withheld under leases of one class."""

    dropped: int = 0
    sampled_out: int = 0


class LedgerReport(msgspec.Struct, frozen=True):
    """One report; `by_class` maps class keys to what was withheld under their leases."""

    boot_epoch: str
    report: int
    sent_at: str
    counters: Counters
    by_class: tuple[tuple[str, ClassCounters], ...] = ()


class LedgerAnswer(msgspec.Struct, frozen=True):
    """What the gateway says of a report."""

    index: int
    leaf_hash: str
    balanced: bool
    mismatches: tuple[str, ...] = ()
