"""One round of asking: policy, verdicts, evidence, leases. It never raises for the gateway's sake;
what went wrong is in the round, and without a lease everything is kept (P1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from collector.client.gateway_client import GatewayClient, GatewayRefused, ReportUnproven
from collector.client.leases import LeaseStore, Moment
from collector.client.messages import PolicyAnswer, Proposal, split_batches
from collector.client.witness import Witness
from collector.errors import EvidenceError, GatewayUnavailable
from gateway.errors import VerificationError
from gateway.wire.classes import ProcessClass
from gateway.wire.ledger import LedgerAnswer, LedgerReport
from gateway.wire.verdicts import DecisionAnswer, EntryRef, Verdict

_log = structlog.get_logger("collector.consultation")


@dataclass(frozen=True)
class Question:
    """A class to ask about, and the proposal of one process of it that stands for all."""

    process_class: ProcessClass
    proposal: Proposal


class Consultation:
    """Asks the gateway on behalf of the agent.

    `outage` is why the gateway gave no usable answer in this round, or None; `evidence_failure`
    is why its evidence does not hold, which is final.
    """

    def __init__(
        self,
        client: GatewayClient,
        leases: LeaseStore,
        witness: Witness,
        heard: Callable[[], int | None] = lambda: None,
    ) -> None:
        """`heard()` gives the newest activation that the gateway's events told of."""
        self._heard = heard
        self._client = client
        self._leases = leases
        self._witness = witness
        self._verdicts: dict[str, Verdict] = {}
        self._notices: list[str] = []
        self.policy: PolicyAnswer | None = None
        self.outage: str | None = None
        self.evidence_failure = witness.failure  # a refusal outlives the process that found it

    def refresh_policy(self) -> None:
        """Begin a round: learn the active policy, so that a lease of another one dies."""
        self.outage = None
        self._follow_succession()
        self._report_refusal()
        newest = self._witness.newest
        try:
            policy = self._client.fetch_policy(newest.note if newest else None)
        except GatewayUnavailable as error:
            self._note_outage(error)
            return
        self._leases.observe_activation(policy.activation)
        self.policy = policy
        self._watch()

    def ask(self, questions: Mapping[str, Question]) -> int:
        """Ask about the classes (by key) whose leases end soon or do not live; how many answers."""
        answered = 0
        due = {key: asked for key, asked in questions.items() if self._leases.is_ending(key)}
        by_ref = {asked.proposal.ref: (key, asked) for key, asked in due.items()}
        for batch in split_batches([asked.proposal for asked in due.values()]):
            if self.outage is not None or self.evidence_failure is not None:
                break
            try:
                sent = self._leases.mark_sending()
                answer = self._client.propose(batch)
                self._hold_to_evidence(answer)
            except GatewayUnavailable as error:
                self._note_outage(error)
            except EvidenceError as error:
                self._note_failure(error)
            else:
                self._take(answer, sent, by_ref)
                answered += len(batch)
        return answered

    def report(self, report: LedgerReport) -> LedgerAnswer | None:
        """Send a ledger report; None when the gateway does not have it."""
        try:
            answer = self._client.send_ledger(report)
            if self.evidence_failure is None:  # else nothing is demanded of the log any more
                self._witness.record(EntryRef(answer.index, answer.leaf_hash))
        except GatewayUnavailable as error:
            self._note_outage(error)
            return None
        except EvidenceError as error:
            self._note_failure(error)
            return None
        return answer

    def live(self, class_key: str | None) -> Verdict | None:
        """The verdict of the class's live lease."""
        if class_key is None or self.evidence_failure is not None:
            return None
        heard = self._heard()
        if heard is not None and heard > (self._leases.activation or 0):
            self._leases.observe_activation(heard)  # leases of the one before end here
        return self._leases.live(class_key)

    def answered(self, class_key: str | None) -> Verdict | None:
        """What the gateway last said of the class, lease or not; to explain, never to act on."""
        return self._verdicts.get(class_key or "")

    def seconds_left(self, class_key: str | None) -> float:
        """How long the class's lease lasts."""
        return self._leases.seconds_left(class_key) if class_key else 0.0

    def take_notices(self) -> list[str]:
        """What people are to hear once, since the last time."""
        told, self._notices = self._notices, []
        return told

    def _follow_succession(self) -> None:
        """A log that was closed goes on as another one: under that, leases are given anew."""
        if not self._witness.may_follow:
            return
        try:
            statement = self._witness.follow(self._client.fetch_succession())
        except GatewayUnavailable:
            return  # asked again in the next round that has reason to
        except (EvidenceError, VerificationError) as error:
            _log.warning("a succession is not followed", reason=str(error))
            return
        if statement is None:
            return
        _log.warning("following", log=statement.new, reason=statement.sentence)
        self._notices.append(f"The audit log goes on as another one: {statement.sentence}.")
        self.evidence_failure = None
        self._verdicts.clear()
        self._leases.begin_anew()

    def _report_refusal(self) -> None:
        """Tell the gateway what is held against its log, until it has it: from then on others
        know, too."""
        report = self._witness.due_report()
        if report is None:
            return
        try:
            entry = self._client.report_fork(report)
        except ReportUnproven as error:
            _log.warning("refusal reported, not proven to the gateway", reason=str(error))
        except GatewayUnavailable as error:
            _log.warning("refusal not reported yet", reason=str(error))
            return
        else:
            _log.warning("refusal reported", kind=entry.kind, entry=entry.index)
        self._witness.mark_reported()

    def _watch(self) -> None:
        """Hold the log to its answers in rounds that ask nothing, too."""
        if self.evidence_failure is not None or not self._witness.awaits_proof:
            return
        try:
            self._witness.observe(self._client.fetch_checkpoint())
        except GatewayUnavailable as error:
            self._note_outage(error)
        except EvidenceError as error:
            self._note_failure(error)

    def _hold_to_evidence(self, answer: DecisionAnswer) -> None:
        if not answer.entries:
            raise GatewayUnavailable("The gateway's answer names no entry of its log.")
        # Before the first checkpoint is signed an answer carries none.
        self._witness.observe(answer.checkpoint or self._client.fetch_checkpoint())
        self._witness.record(max(answer.entries, key=lambda entry: entry.index))

    def _take(
        self, answer: DecisionAnswer, sent: Moment, by_ref: Mapping[str, tuple[str, Question]]
    ) -> None:
        self._leases.observe_activation(answer.policy.activation)
        for ref, position in answer.refs:
            key, asked = by_ref[ref]
            verdict = answer.verdicts[position]
            self._verdicts[key] = verdict
            self._leases.grant(asked.process_class, verdict, sent)

    def _note_outage(self, error: GatewayUnavailable) -> None:
        self.outage = str(error)
        if isinstance(error, GatewayRefused):
            self._leases.void_all()

    def _note_failure(self, error: EvidenceError) -> None:
        self.evidence_failure = str(error)
        self._leases.void_all()
