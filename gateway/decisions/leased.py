"""What was leased to whom, and whether a collector withheld anything else (P8).

Leases are not stored: a process remembers those that it gave, and says `unknown-lease` instead of
`unleased` where an earlier process may have given one.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.clock import Clock
from gateway.decisions.leases import LeasedVerdict
from gateway.wire.ledger import ClassCounters, LedgerReport

MAX_LEASE_SECONDS = 86_400
MAX_CLASSES_PER_COLLECTOR = 50_000
MAX_CLASSES_IN_ALL = 200_000
_NS = 1_000_000_000


class LeasedClasses(Protocol):
    """Which classes a collector was given a lease for that lets it withhold."""

    def is_leased(self, collector_uri: str, class_key: str) -> bool:
        """Whether this process gave the collector such a lease, at any time."""

    def evaluation_of(self, collector_uri: str, class_key: str) -> tuple[int, int] | None:
        """Entry and position of the evaluation that the newest such lease rests on."""


# Entry and position by class key; a verdict itself would keep its policy's epoch in memory.
_Places = OrderedDict[str, tuple[int, int]]


class RememberedLeases:
    """Implements LeasedClasses in memory. Past its bounds the oldest classes go: of a collector
    those not leased for longest, over all those of the collector not answered for longest."""

    def __init__(
        self, per_collector: int = MAX_CLASSES_PER_COLLECTOR, in_all: int = MAX_CLASSES_IN_ALL
    ) -> None:
        self._per_collector = per_collector
        self._in_all = in_all
        self._count = 0
        self._collectors: OrderedDict[str, _Places] = OrderedDict()

    def remember(self, collector_uri: str, verdicts: Iterable[LeasedVerdict]) -> None:
        """Note verdicts that were answered with a lease; those that keep are passed over."""
        held = self._collectors.setdefault(collector_uri, OrderedDict())
        self._collectors.move_to_end(collector_uri)
        before = len(held)
        for verdict in verdicts:
            if verdict.settled.action != "keep" and verdict.settled.ttl_seconds > 0:
                held[verdict.class_key] = (verdict.seq, verdict.position)
                held.move_to_end(verdict.class_key)
        while len(held) > self._per_collector:
            held.popitem(last=False)
        self._count += len(held) - before
        while self._count > self._in_all:
            self._forget_one()
        if not held:
            self._collectors.pop(collector_uri, None)

    def is_leased(self, collector_uri: str, class_key: str) -> bool:
        """Whether such a lease is remembered."""
        return class_key in self._collectors.get(collector_uri, ())

    def evaluation_of(self, collector_uri: str, class_key: str) -> tuple[int, int] | None:
        """The evaluation behind the newest such lease, or None."""
        held = self._collectors.get(collector_uri)
        return None if held is None else held.get(class_key)

    def _forget_one(self) -> None:
        collector_uri, held = next(iter(self._collectors.items()))
        held.popitem(last=False)
        self._count -= 1
        if not held:
            del self._collectors[collector_uri]


@dataclass(frozen=True, slots=True)
class _Told:
    """The newest report's rows of a boot epoch, and what stood in the first one seen here."""

    rows: dict[str, ClassCounters]
    exempt: frozenset[str]
    is_whole: bool  # this process took the epoch's first report


class LeaseReconciliation:
    """Compares what collectors withheld with the leases that they were given.

    A class counts when its `dropped` or `sampled_out` grew since the last report and no lease is
    remembered for it. It is `unleased` when this process must have given its lease: it took the
    boot epoch's first report, or is up for as long as the longest lease lasts. Otherwise it is
    `unknown-lease`, and the classes of the first report seen here, which only tells where to start,
    do not count at all. A lease given by a process that ended before the epoch's first report, or
    by another process beside this one, is not known here.
    """

    def __init__(self, leases: LeasedClasses, clock: Clock, rows: int = MAX_CLASSES_IN_ALL) -> None:
        """`rows` bounds the remembered rows of all reports; past it the oldest epoch's go, and
        its next report is one to start from."""
        self.leases = leases
        self._clock = clock
        self._max_rows = rows
        self._rows = 0
        self._up_since_ns = clock.boottime_ns()
        self._told: OrderedDict[tuple[str, str], _Told] = OrderedDict()

    def find(
        self, collector_uri: str, report: LedgerReport, is_first: bool
    ) -> list[tuple[str, str]]:
        """At most one pair of kind and detail. `is_first`: the epoch has no report before."""
        told = self._told.get((collector_uri, report.boot_epoch))
        up_ns = self._clock.boottime_ns() - self._up_since_ns
        if told is None and not is_first:
            return []
        rows = told.rows if told is not None else {}
        unleased = {
            key
            for key, counts in _by_class(report).items()
            if _grew(rows.get(key), counts) and not self.leases.is_leased(collector_uri, key)
        }
        kind = "unleased"
        if told is not None and not told.is_whole and up_ns < MAX_LEASE_SECONDS * _NS:
            kind = "unknown-lease"
            unleased -= told.exempt
        if not unleased:
            return []
        return [(kind, f"{len(unleased)} classes grew without a lease known to this process")]

    def remember(self, collector_uri: str, report: LedgerReport, is_first: bool) -> None:
        """Take the report as its boot epoch's newest."""
        place = (collector_uri, report.boot_epoch)
        rows = _by_class(report)
        told = self._told.pop(place, None)
        if told is None:
            told = _Told(rows, frozenset() if is_first else frozenset(rows), is_first)
            self._rows += len(rows) + 1
        else:
            self._rows += len(rows) - len(told.rows)
            told = _Told(rows, told.exempt, told.is_whole)
        self._told[place] = told
        while self._rows > self._max_rows and len(self._told) > 1:
            _, oldest = self._told.popitem(last=False)
            self._rows -= len(oldest.rows) + 1


def _by_class(report: LedgerReport) -> dict[str, ClassCounters]:
    rows: dict[str, ClassCounters] = {}
    for key, counts in report.by_class:
        before = rows.get(key)
        if before is not None:
            counts = ClassCounters(
                before.dropped + counts.dropped, before.sampled_out + counts.sampled_out
            )
        rows[key] = counts
    return rows


def _grew(before: ClassCounters | None, now: ClassCounters) -> bool:
    start = before or ClassCounters()
    return now.dropped > start.dropped or now.sampled_out > start.sampled_out
