"""The acts of a rollout, each decided on what this process measures and appended only where nobody
else has acted on the same state before."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.changes import promotion
from gateway.changes.gates import (
    Measurements,
    anywhere,
    gate_record,
    judged_failures,
    measure,
    urgent_failures,
)
from gateway.changes.journal import JournalDraft, Records
from gateway.changes.plan import RolloutPlan, plan_steps
from gateway.changes.state import Change, Governance, Kind, Rollout
from gateway.changes.validation import Validation
from gateway.changes.views import report_losses
from gateway.clock import Clock
from gateway.decisions.lanes import Lanes
from gateway.decisions.policy import ActivePolicy, CandidatePolicy
from gateway.errors import EngineError, LogUnavailableError

# How long an approved change may wait for its engine before somebody is told.
PATIENCE_US = 60_000_000
# How long the log may be ill before that is a failed gate: a write that failed for a moment heals.
LOG_PATIENCE_NS = 10_000_000_000
_SECOND_US = 1_000_000
_THIN = 3  # as many times the dwell where few are seen


@dataclass(frozen=True, slots=True)
class Serving:
    """What this process serves: `policy()` as the decision service sees it, and whether a
    candidate's engine can be asked already."""

    policy: Callable[[], ActivePolicy]
    is_ready: Callable[[str], bool]

    def candidate(self, rollout: Rollout) -> CandidatePolicy | None:
        """The candidate as it is served in this very step; None while it is not."""
        policy = self.policy()
        candidate = policy.candidate
        lanes = Lanes(rollout.bundle, rollout.steps[: rollout.step + 1])
        if policy.hold is not None or candidate is None or candidate.lanes != lanes:
            return None
        return candidate


class RolloutActs:
    """`actor` is this gateway's SPIFFE id."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        actor: str,
        plan: RolloutPlan,
        serving: Serving,
        validation: Validation,
    ) -> None:
        self._journal = records.journal
        self._log = records.log
        self._store = records.store
        self._clock = clock
        self._actor = actor
        self._plan = plan
        self._steps = plan_steps(plan)
        self._serving = serving
        self._validation = validation
        self._listed: tuple[str, frozenset[str]] = ("", frozenset())
        self._ill_since_ns: int | None = None
        self._served: tuple[Lanes | None, int] = (None, 0)  # a step, and since when (boot time)

    async def watch(self, state: Governance) -> None:
        """Halt at once where a gate fails."""
        rollout, change = _under_way(state)
        if rollout is None or change is None or change.kind is not Kind.BUNDLE:
            return
        found = await self._measure(rollout, change)
        if found is None:
            return
        failures = urgent_failures(found)
        if found.evaluated >= max(1, self._plan.min_evaluated):
            failures += judged_failures(found, self._plan.limits)
        if failures:
            await self._halt(rollout, change, found, failures)

    async def advance(self, state: Governance) -> None:
        """Begin, go on, or put in force, where it is time. Raises GatewayError, and EngineError for
        what has waited too long."""
        rollout, change = _under_way(state)
        if rollout is None:
            await self._start(state)
        elif change is None:
            return
        elif change.kind is Kind.ROLLBACK:
            await self._complete_rollback(rollout, change)
        else:
            await self._go_on(rollout, change)
        if self._journal.state.rollout is not None:
            self._note_served(self._journal.state.rollout)

    async def _start(self, state: Governance) -> None:
        waiting = promotion.next_to_roll_out(state)
        for change in waiting:
            if self._serving.is_ready(change.subject["bundle"]):
                await self._begin(change)
                return
        for change in waiting:
            at_us = change.approval.at_us if change.approval else change.staged_us
            if self._clock.now_us() - at_us > PATIENCE_US:
                raise EngineError(f"the engine for {change.id} has not been ready since approval")

    async def _begin(self, change: Change) -> None:
        def decide(newest: Governance) -> list[JournalDraft]:
            if change not in promotion.next_to_roll_out(newest):
                return []
            return [promotion.start_draft(newest, change, self._steps, self._actor)]

        await self._journal.append(self._actor, decide)

    async def _go_on(self, rollout: Rollout, change: Change) -> None:
        waited_us = self._waited_us(rollout)
        dwell_us = self._plan.dwell_seconds * _SECOND_US
        if waited_us < dwell_us:
            return
        found = await self._measure(rollout, change)
        if found is None:
            return
        is_thin = found.evaluated < self._plan.min_evaluated
        if is_thin:
            if waited_us < _THIN * dwell_us:
                return
            found = await self._measure(rollout, change, is_anywhere=True)
            if found is None:
                return
        if await self._passes(rollout, change, found):
            await self._promote(rollout, change, found, is_thin)

    def _note_served(self, rollout: Rollout) -> None:
        """Since when this process serves the step."""
        candidate = self._serving.candidate(rollout)
        if candidate is not None and candidate.lanes != self._served[0]:
            self._served = (candidate.lanes, self._clock.boottime_ns())

    def _waited_us(self, rollout: Rollout) -> int:
        """How long the step was looked at: since it began, and no longer than this process serves
        it. What nobody measured while this process was down, and what only a wall clock that is
        ahead says, does not count."""
        if self._serving.candidate(rollout) is None:
            return 0
        self._note_served(rollout)
        served_us = (self._clock.boottime_ns() - self._served[1]) // 1_000
        return min(served_us, self._clock.now_us() - rollout.stepped_us)

    async def _passes(self, rollout: Rollout, change: Change, found: Measurements) -> bool:
        """Whether every gate holds; halts where one does not."""
        failures = urgent_failures(found) + judged_failures(found, self._plan.limits)
        if not failures:
            failures = await self._validation.failures(rollout.bundle, found.question())
            if failures and found.evaluated < self._plan.min_evaluated:
                # Too little was seen for a verdict either way: nobody gets less than both meanwhile
                raise EngineError(f"{change.id} waits for traffic: {'; '.join(failures)}"[:1_000])
            again = await self._measure(rollout, change)  # that took a while
            if again is None:
                return False
            failures = failures or urgent_failures(again)
        if failures:
            await self._halt(rollout, change, found, failures)
        return not failures

    async def _promote(
        self, rollout: Rollout, change: Change, found: Measurements, is_thin: bool
    ) -> None:
        gate = gate_record(found, is_thin)

        def decide(newest: Governance) -> list[JournalDraft]:
            if newest.rollout != rollout or newest.active is None:
                return []
            if rollout.is_complete:
                return [
                    promotion.activation_draft(newest.active, change, rollout, gate, self._actor)
                ]
            return [promotion.step_draft(change, rollout, gate, self._actor)]

        await self._journal.append(self._actor, decide)

    async def _complete_rollback(self, rollout: Rollout, change: Change) -> None:
        """An approved rollback comes into force at once, unless something seen since its assessment
        would lose protection that nobody has approved to lose."""
        if change.approval is None:
            return
        found = await self._measure(rollout, change)
        if found is None:
            # What is in force cannot be served here, so everything is kept. Others may serve it and
            # measure: they come first, and where nobody can this is the way out.
            if self._clock.now_us() - change.approval.at_us < PATIENCE_US:
                return
            await self._activate(rollout, change, None)
        elif found.losses:
            await self._halt(rollout, change, found, urgent_failures(found))
        else:
            await self._activate(rollout, change, found)

    async def _activate(self, rollout: Rollout, change: Change, found: Measurements | None) -> None:
        gate = gate_record(found, is_thin=False) if found is not None else None

        def decide(newest: Governance) -> list[JournalDraft]:
            if newest.rollout != rollout or newest.active is None:
                return []
            return [promotion.activation_draft(newest.active, change, rollout, gate, self._actor)]

        await self._journal.append(self._actor, decide)

    async def _halt(
        self, rollout: Rollout, change: Change, found: Measurements, failures: Sequence[str]
    ) -> None:
        gate = gate_record(found, is_thin=found.evaluated < self._plan.min_evaluated)

        def decide(newest: Governance) -> list[JournalDraft]:
            if newest.rollout != rollout:
                return []
            return [promotion.halt_draft(change, rollout, gate, failures, self._actor)]

        await self._journal.append(self._actor, decide)

    async def _measure(
        self, rollout: Rollout, change: Change, *, is_anywhere: bool = False
    ) -> Measurements | None:
        """None while this process does not serve the step."""
        listed = await self._names_listed(change)
        candidate = self._serving.candidate(rollout)
        if candidate is None:
            return None
        step = rollout.steps[rollout.step]
        return measure(
            candidate.meter,
            anywhere(step) if is_anywhere else step,
            listed,
            self._log_problem(),
            (self._clock.now_us() - rollout.stepped_us) // _SECOND_US,
        )

    def _log_problem(self) -> str | None:
        """Why the audit trail does not hold, once it has not for a while; raises
        LogUnavailableError before, since nothing goes on meanwhile."""
        found, now_ns = self._log.health(), self._clock.boottime_ns()
        if found is None:
            self._ill_since_ns = None
            return None
        if self._ill_since_ns is None:
            self._ill_since_ns = now_ns
        if now_ns - self._ill_since_ns < LOG_PATIENCE_NS:
            raise LogUnavailableError(f"the rollout waits for the log: {found}")
        return found

    async def _names_listed(self, change: Change) -> frozenset[str]:
        """The losses that the approval lists; the log itself may hold only the first of them."""
        assessment = change.assessment
        if assessment is None:
            return frozenset()
        if self._listed[0] != assessment.report:
            report = None
            if assessment.losses_count > len(assessment.losses):
                report = await asyncio.to_thread(self._store.get, assessment.report)
            names = frozenset(report_losses(change, report))
            self._listed = (assessment.report, names)
        return self._listed[1]


def _under_way(state: Governance) -> tuple[Rollout | None, Change | None]:
    """The rollout, and its change unless it is halted."""
    rollout = state.rollout
    if rollout is None or rollout.is_halted:
        return rollout, None
    return rollout, state.changes[rollout.id]
