"""One cycle: scrape, classify, ask, enforce, export, report. Whatever fails, points are kept."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from collector.assessment import Assessor, Wish
from collector.client.consultation import Consultation, Question
from collector.client.messages import MAX_PROFILE, MAX_SCORER, MAX_WHY, Proposal
from collector.enforce.decision import Candidate, Decision, decide
from collector.enforce.enforcer import Enforced, Enforcer
from collector.enforce.ledger import Ledger
from collector.errors import ExportError, SourceError
from collector.export.json_lines import count_points
from collector.model import ProcessSnapshot
from collector.sources.port import Scan, Source
from gateway.clock import Clock, format_time
from gateway.errors import CanonicalError
from gateway.wire.classes import IDENTITY_SOURCE, ProcessClass, Sender, project
from gateway.wire.ledger import Counters
from gateway.wire.verdicts import Verdict

MAX_WAITING_POINTS = 200_000  # past it scraping pauses: nothing that waits is given up

_REPORTS_PER_CYCLE = 2  # the one that an outage held back, and the present one


class Exporter(Protocol):
    """Where kept points go."""

    def export(self, request: Mapping[str, Any]) -> int:
        """Points durable; raises ExportError with none written."""


@dataclass(frozen=True)
class Settled:
    """One process of one cycle, from its wish to what became of it."""

    snapshot: ProcessSnapshot
    wish: Wish
    class_key: str | None
    decision: Decision
    verdict: Verdict | None
    lease_seconds: float = 0.0


@dataclass(frozen=True)
class CycleSummary:
    """What one cycle did. `problems` are sentences for the operator."""

    cycle: int
    settled: tuple[Settled, ...]
    asked: int
    outage: str | None
    evidence_failure: str | None
    problems: tuple[str, ...]
    missed: Mapping[str, int]
    counters: Counters

    def points(self, outcome: str) -> int:
        """Points of this cycle with one outcome."""
        return sum(
            item.snapshot.point_count for item in self.settled if item.decision.outcome == outcome
        )


@dataclass(frozen=True)
class _Case:
    snapshot: ProcessSnapshot
    wish: Wish
    process_class: ProcessClass | None
    class_key: str | None


class Agent:
    """Runs cycles over its ports; holds what lives longer than one."""

    def __init__(
        self,
        source: Source,
        assessor: Assessor,
        consultation: Consultation,
        exporter: Exporter,
        ledger: Ledger,
        sender: Sender,
        clock: Clock,
        *,
        observe: bool = False,
    ) -> None:
        self._source = source
        self._assessor = assessor
        self._consultation = consultation
        self._exporter = exporter
        self._ledger = ledger
        self._sender = sender
        self._clock = clock
        self._observe = observe
        self._enforcer = Enforcer(ledger, sender.region)
        self._waiting: deque[dict[str, Any]] = deque()
        self._cycle = 0
        self._was_out = False
        self._log = structlog.get_logger("collector.agent")

    @property
    def outage(self) -> str | None:
        """Why the gateway gave no usable answer in the last round, or None."""
        return self._consultation.outage

    def run_cycle(self) -> CycleSummary:
        """Do one cycle; raises nothing that a gateway, host or disk may cause."""
        self._cycle += 1
        problems: list[str] = []
        scan = self._scrape(problems)
        settled, asked = self.settle(scan.snapshots)
        problems += self._consultation.take_notices()
        self._count_withheld(settled)
        self._waiting.extend(
            self._enforcer.apply(Enforced(item.snapshot, item.decision) for item in settled)
        )
        self._export(problems)
        self._report(problems)
        self._say_outage()
        return CycleSummary(
            cycle=self._cycle,
            settled=settled,
            asked=asked,
            outage=self._consultation.outage,
            evidence_failure=self._consultation.evidence_failure,
            problems=tuple(problems),
            missed=scan.missed,
            counters=self._ledger.counters(),
        )

    def settle(
        self, snapshots: Sequence[ProcessSnapshot], *, as_seen_before: bool = False
    ) -> tuple[tuple[Settled, ...], int]:
        """Ask about the snapshots and decide; also how many classes were asked about.

        `as_seen_before` decides as if this were not a process's first sample (to explain).
        """
        self._consultation.refresh_policy()
        cases = [self._classify(snapshot) for snapshot in snapshots]
        questions = {
            case.class_key: Question(case.process_class, _proposal(case))
            for case in reversed(cases)  # so that the first process of a class stands for it
            if case.class_key is not None and case.process_class is not None
        }
        asked = self._consultation.ask(questions)
        return tuple(self._decide(case, as_seen_before) for case in cases), asked

    def _scrape(self, problems: list[str]) -> Scan:
        if sum(map(count_points, self._waiting)) > MAX_WAITING_POINTS:
            problems.append(
                f"More than {MAX_WAITING_POINTS} points wait for export, so this sample was not "
                "taken; mend what keeps export.file from being written."
            )
            return Scan((), {})
        try:
            scan = self._source.scan()
        except SourceError as error:
            problems.append(str(error))
            return Scan((), {})
        self._ledger.count_scraped(sum(snapshot.point_count for snapshot in scan.snapshots))
        return scan

    def _count_withheld(self, settled: Sequence[Settled]) -> None:
        """The totals, from the decisions; the enforcer counts by class what it withholds."""
        for item in settled:
            if not item.decision.is_kept:
                self._ledger.count_withheld(item.decision.outcome, item.snapshot.point_count)

    def _classify(self, snapshot: ProcessSnapshot) -> _Case:
        wish = self._assessor.assess(snapshot)
        policy = self._consultation.policy
        if policy is None:
            return _Case(snapshot, wish, None, None)
        try:
            process_class = project(
                policy.declaration,
                self._sender,
                snapshot.attributes,
                wish.action,
                wish.sample_rate,
                wish.score,
                wish.profile[:MAX_PROFILE],  # as long as the gateway takes it
            )
            return _Case(snapshot, wish, process_class, process_class.key())
        except (ValueError, CanonicalError):
            return _Case(snapshot, wish, None, None)  # no class, no lease: kept

    def _decide(self, case: _Case, as_seen_before: bool) -> Settled:
        identity = case.snapshot.identity
        candidate = Candidate(
            series_id=identity.ref,
            class_key=case.class_key,
            is_identified=is_identified(case.snapshot),
            is_first_sample=not as_seen_before and self._enforcer.is_first_sample(identity),
            is_forced=case.wish.forced_reason is not None,
        )
        verdict = self._consultation.live(case.class_key)
        return Settled(
            snapshot=case.snapshot,
            wish=case.wish,
            class_key=case.class_key,
            decision=decide(candidate, verdict, observe=self._observe),
            verdict=verdict or self._consultation.answered(case.class_key),
            lease_seconds=self._consultation.seconds_left(case.class_key),
        )

    def _export(self, problems: list[str]) -> None:
        while self._waiting:
            try:
                self._ledger.count_exported(self._exporter.export(self._waiting[0]))
            except ExportError as error:
                problems.append(str(error))
                break
            self._waiting.popleft()
        self._ledger.set_waiting(sum(map(count_points, self._waiting)))

    def _report(self, problems: list[str]) -> None:
        for _ in range(_REPORTS_PER_CYCLE):
            if self._consultation.outage is not None:
                return
            report = self._ledger.next_report(format_time(self._clock.now_us()))
            answer = self._consultation.report(report)
            if answer is None:
                return
            self._ledger.acknowledge(report)
            if answer.mismatches:
                found = ", ".join(answer.mismatches)
                problems.append(f"The gateway found the ledger wrong: {found}.")
            if report.counters == self._ledger.counters():
                return

    def _say_outage(self) -> None:
        outage = self._consultation.outage
        if outage is not None and not self._was_out:
            self._log.warning(
                "gateway unavailable: without a live lease points are kept", reason=outage
            )
        elif outage is None and self._was_out:
            self._log.info("gateway available again")
        self._was_out = outage is not None


def is_identified(snapshot: ProcessSnapshot) -> bool:
    """Whether the source could say what this process is."""
    return snapshot.attributes.get(IDENTITY_SOURCE) not in (None, "", "unknown")


def _proposal(case: _Case) -> Proposal:
    """Only what the policies read leaves the host."""
    assert case.process_class is not None
    wish = case.wish
    return Proposal(
        ref=case.snapshot.identity.ref,
        process=dict(case.process_class.attributes),
        action=wish.action,
        sample_rate=wish.sample_rate,
        score=wish.score,
        profile=case.process_class.profile,
        scorer=wish.scorer[:MAX_SCORER],
        why=wish.why[:MAX_WHY],
    )
