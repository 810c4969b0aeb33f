"""The books (P8): each column is counted where its points pass, and none is computed from others.

So a loss anywhere shows as an imbalance, or as a class sum that differs from its total, instead of
vanishing into a difference.
"""

from collections import Counter

from gateway.wire.ledger import ClassCounters, Counters, LedgerReport


class Ledger:
    """Cumulative counters under one boot epoch (128 random bits, hex).

    A report keeps its number and bytes until the gateway acknowledges it, so that a lost answer
    neither skips a number nor uses one twice.
    """

    def __init__(self, boot_epoch: str) -> None:
        self.boot_epoch = boot_epoch
        self._scraped = 0
        self._exported = 0
        self._withheld: Counter[str] = Counter()  # by outcome
        self._dropped: Counter[str] = Counter()  # by class, as is the next
        self._sampled_out: Counter[str] = Counter()
        self._rejected = 0
        self._waiting = 0
        self._lost: Counter[str] = Counter()
        self._pending: LedgerReport | None = None
        self._reported = 0

    def count_scraped(self, points: int) -> None:
        """Points that a source handed over."""
        self._scraped += points

    def count_exported(self, points: int) -> None:
        """Points that the exporter says are durable."""
        self._exported += points

    def count_withheld(self, outcome: str, points: int) -> None:
        """Points that a cycle decided to withhold; the outcome is `dropped` or `sampled_out`."""
        self._withheld[outcome] += points

    def count_dropped(self, class_key: str, points: int) -> None:
        """Points that the enforcer dropped under a lease of this class."""
        self._dropped[class_key] += points

    def count_sampled_out(self, class_key: str, points: int) -> None:
        """Points that the enforcer sampled out under a lease of this class."""
        self._sampled_out[class_key] += points

    def count_rejected(self, points: int) -> None:
        """Points that the backend refused for good."""
        self._rejected += points

    def count_lost(self, reason: str, points: int) -> None:
        """Points known to be lost, with the reason's name."""
        self._lost[reason] += points

    def set_waiting(self, points: int) -> None:
        """Points that wait to be exported now, as the queue counts them."""
        self._waiting = points

    def counters(self) -> Counters:
        """The books now."""
        return Counters(
            scraped=self._scraped,
            exported=self._exported,
            sampled_out=self._withheld["sampled_out"],
            dropped=self._withheld["dropped"],
            rejected=self._rejected,
            waiting=self._waiting,
            lost=dict(self._lost),
        )

    def by_class(self) -> tuple[tuple[str, ClassCounters], ...]:
        """What was withheld under each class's leases, by class key."""
        keys = sorted(self._dropped.keys() | self._sampled_out.keys())
        return tuple(
            (key, ClassCounters(dropped=self._dropped[key], sampled_out=self._sampled_out[key]))
            for key in keys
        )

    def next_report(self, sent_at: str) -> LedgerReport:
        """The report to send: the unacknowledged one as it was, else a new one (from 1)."""
        if self._pending is None:
            self._pending = LedgerReport(
                boot_epoch=self.boot_epoch,
                report=self._reported + 1,
                sent_at=sent_at,
                counters=self.counters(),
                by_class=self.by_class(),
            )
        return self._pending

    def acknowledge(self, report: LedgerReport) -> None:
        """The gateway has this report."""
        if self._pending is not None and report.report == self._pending.report:
            self._reported = report.report
            self._pending = None
