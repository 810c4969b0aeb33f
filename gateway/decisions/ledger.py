"""Ledger reports, reconciled with the report before and with the leases given (P8).

Each mismatch is an entry of its own.
"""

from typing import Protocol

import msgspec

from gateway import canonical
from gateway.audit.port import Draft, Log
from gateway.decisions.leased import LeasedClasses, LeaseReconciliation
from gateway.errors import InputError
from gateway.wire.ledger import Counters, LedgerAnswer, LedgerReport

MAX_CLASSES = 20_000
MAX_REASON_CHARACTERS = 64
MAX_ROWS = 200  # of a `ledger.report` entry, which so stays under 65,535 bytes
_CUMULATIVE = ("scraped", "exported", "sampled_out", "dropped", "rejected")
_decoder = msgspec.json.Decoder(LedgerReport)


class LedgerHead(msgspec.Struct, frozen=True):
    """The newest report of one collector's boot epoch."""

    report: int
    counters: Counters


class LedgerHeads(Protocol):
    """Remembers the newest report per collector and boot epoch."""

    async def get(self, collector: str, boot_epoch: str) -> LedgerHead | None:
        """The newest, or None before the first. Raises LogUnavailableError."""

    async def put(self, collector: str, boot_epoch: str, head: LedgerHead) -> None:
        """Replace the newest. Raises LogUnavailableError."""


class LedgerService:
    """Takes reports, records them, says what does not balance."""

    def __init__(
        self, log: Log, heads: LedgerHeads, leases: LeaseReconciliation | None = None
    ) -> None:
        """Without `leases`, reports are not held against the leases given."""
        self._log = log
        self._heads = heads
        self._leases = leases

    async def report(self, subject_uri: str, body: bytes) -> LedgerAnswer:
        """Record a report with its mismatches; raises InputError and LogUnavailableError."""
        report = read_report(body)
        before = await self._heads.get(subject_uri, report.boot_epoch)
        mismatches = find_mismatches(before, report)
        if self._leases is not None:
            mismatches += self._leases.find(subject_uri, report, before is None)
        summary = _summary(report)
        rows = _rows(subject_uri, report, self._leases.leases if self._leases is not None else None)
        drafts = [
            Draft("ledger.report", subject_uri, canonical.encode({**summary, "by_class": rows}))
        ]
        drafts += [
            Draft(
                "ledger.mismatch",
                subject_uri,
                canonical.encode({**summary, "detail": detail, "kind": kind}),
            )
            for kind, detail in mismatches
        ]
        appended = await self._log.append(drafts)
        if before is None or report.report > before.report:
            head = LedgerHead(report.report, report.counters)
            await self._heads.put(subject_uri, report.boot_epoch, head)
            if self._leases is not None:
                self._leases.remember(subject_uri, report, before is None)
        return LedgerAnswer(
            index=appended[0].seq,
            leaf_hash=appended[0].leaf_hash.hex(),
            balanced=report.counters.imbalance() == 0,
            mismatches=tuple(kind for kind, _ in mismatches),
        )


def read_report(body: bytes) -> LedgerReport:
    """Parse a report; raises InputError."""
    try:
        report = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a ledger report: {error}"[:200]) from None
    counters = report.counters
    numbers = [getattr(counters, name) for name in (*_CUMULATIVE, "waiting")]
    numbers += [*counters.lost.values(), report.report]
    numbers += [n for _, counts in report.by_class for n in (counts.dropped, counts.sampled_out)]
    if not all(0 <= number <= canonical.MAX_SAFE_INTEGER for number in numbers):
        raise InputError("a ledger report's numbers lie between 0 and 2^53-1")
    if len(report.by_class) > MAX_CLASSES or len(counters.lost) > 100:
        raise InputError(f"a ledger report names at most {MAX_CLASSES} classes and 100 reasons")
    if any(len(reason) > MAX_REASON_CHARACTERS for reason in counters.lost):
        raise InputError(f"a reason for loss has at most {MAX_REASON_CHARACTERS} characters")
    if not (0 < len(report.boot_epoch) <= 64 and len(report.sent_at) <= 40):
        raise InputError("boot_epoch and sent_at are text of at most 64 and 40 characters")
    return report


def find_mismatches(before: LedgerHead | None, report: LedgerReport) -> list[tuple[str, str]]:
    """Pairs of kind and detail: `imbalance`, `gap`, `counter-fell`, `class-sum`."""
    found = []
    if difference := report.counters.imbalance():
        found.append(("imbalance", f"scraped differs from its parts by {difference} points"))
    expected = 1 if before is None else before.report + 1
    is_sent_again = before == LedgerHead(report.report, report.counters)  # its answer was lost
    if report.report != expected and not is_sent_again:
        found.append(("gap", f"report {report.report} came where {expected} was due"))
    if before is not None:
        fell = [
            name
            for name in _CUMULATIVE
            if getattr(report.counters, name) < getattr(before.counters, name)
        ]
        lost = report.counters.lost
        if any(lost.get(reason, 0) < count for reason, count in before.counters.lost.items()):
            fell.append("lost")  # without the reason's name: it is the collector's text
        if fell:
            found.append(("counter-fell", f"fell since report {before.report}: {', '.join(fell)}"))
    for name in ("dropped", "sampled_out"):
        by_class = sum(getattr(counts, name) for _, counts in report.by_class)
        if by_class != getattr(report.counters, name):
            found.append(("class-sum", f"{name} by class adds up to {by_class}"))
    return found


def _rows(
    collector_uri: str, report: LedgerReport, leases: LeasedClasses | None
) -> list[canonical.Value]:
    """`[seq, position, dropped, sampled_out]`, the largest first. Class keys are hashes without
    salt, which the log must not hold: a row cites the class's evaluation, or null and null where
    this process knows of no lease."""
    largest = sorted(
        report.by_class, key=lambda row: (-row[1].dropped - row[1].sampled_out, row[0])
    )
    rows: list[canonical.Value] = []
    for key, counts in largest[:MAX_ROWS]:
        place = None if leases is None else leases.evaluation_of(collector_uri, key)
        rows.append([*(place or (None, None)), counts.dropped, counts.sampled_out])
    return rows


def _summary(report: LedgerReport) -> dict[str, canonical.Value]:
    counters = report.counters
    numbers: dict[str, canonical.Value] = {
        name: getattr(counters, name) for name in (*_CUMULATIVE, "waiting")
    }
    numbers["lost"] = dict(sorted(counters.lost.items()))
    return {
        "boot_epoch": report.boot_epoch,
        "classes": len(report.by_class),
        "counters": numbers,
        "report": report.report,
        "sent_at": report.sent_at,
    }
