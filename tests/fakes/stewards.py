"""Stewards over one log in memory, each as in a gateway process of its own: what they are told by
trials, impacts, engines and measurements is what a test says."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway import canonical
from gateway.changes.examination import AssessmentResult, TrialOutcome
from gateway.changes.journal import Journal, Records
from gateway.changes.plan import RolloutPlan
from gateway.changes.rollout import RolloutActs, Serving
from gateway.changes.state import Change, Governance
from gateway.changes.steward import Examiners, Steward
from gateway.decisions.lanes import Lanes
from gateway.decisions.policy import ActivePolicy, CandidatePolicy
from gateway.decisions.shadow import ShadowMeter
from gateway.decisions.verdict import Settled
from gateway.decisions.windows import parse_windows
from gateway.errors import EngineError, GatewayError
from gateway.wire.classes import ProcessClass, Sender, project
from tests.fakes.changes import Queue
from tests.fakes.decisions import DECLARATION, SENDER, make_policy
from tests.fakes.engine import PROTECTED, FakeEngine
from tests.fakes.log import ACTOR

PLAN = RolloutPlan(dwell_seconds=10, min_evaluated=2)


def lost(name: str, sender: Sender = SENDER) -> ProcessClass:
    """A class that somebody proposes to drop; its loss is named
    `<name>@production/eu-west-1 PCI-DSS-4.0.1/10.2.1`."""
    return project(DECLARATION, sender, {"process.executable.name": name}, "drop", None, 0.1)


KEPT = Settled("keep", 1000, "overridden", (PROTECTED,), (), 300)


@dataclass
class FakeTrial:
    """Passes unless `refusal` says why not; raises `error` instead when there is one. Waits for
    `gate`."""

    refusal: str | None = None
    error: GatewayError | None = None
    tried: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def __call__(self, change: Change) -> TrialOutcome:
        if self.gate is not None:
            await self.gate.wait()
        self.tried.append(change.id)
        if self.error is not None:
            raise self.error
        return TrialOutcome(self.refusal is None, self.refusal or "held")


@dataclass
class FakeAssessor:
    """Finds `losses`; raises `error` instead when there is one."""

    losses: tuple[str, ...] = ()
    error: GatewayError | None = None
    assessed: list[str] = field(default_factory=list)
    done: Callable[[], None] = lambda: None

    async def assess(self, bundle_hash: str) -> AssessmentResult:
        self.assessed.append(bundle_hash)
        if self.error is not None:
            raise self.error
        self.done()
        report = canonical.encode({"losses": [{"name": name} for name in self.losses]})
        return AssessmentResult(report, 10, 1000, 1, len(self.losses), self.losses)


@dataclass
class FakeValidation:
    """Says `found` of every candidate; `meanwhile` happens while it is asked."""

    found: list[str] = field(default_factory=list)
    asked: list[Mapping[str, canonical.Value]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    async def failures(
        self, bundle_hash: str, measurements: Mapping[str, canonical.Value]
    ) -> list[str]:
        self.asked.append(measurements)
        self.meanwhile()
        return list(self.found)


class Station:
    """One process with its steward. `is_ready`: its engine for an approved bundle; `hold`: why it
    serves nothing, if it does not; `behind`: by how many steps its serving is late."""

    def __init__(self, queue: Queue, plan: RolloutPlan = PLAN) -> None:
        self.queue = queue
        self.journal = Journal(queue.log, queue.clock)
        self.trial = FakeTrial()
        self.assessor = FakeAssessor()
        self.validation = FakeValidation()
        self.is_ready = True
        self.hold: str | None = None
        self.behind = 0
        self.meters: dict[tuple[str, int], ShadowMeter] = {}
        self._policy = make_policy()
        records = Records(self.journal, queue.log, queue.store)
        acts = RolloutActs(
            records,
            queue.clock,
            ACTOR,
            plan,
            Serving(self.policy, lambda bundle: self.is_ready),
            self.validation,
        )
        self.steward = Steward(
            records,
            queue.clock,
            ACTOR,
            acts,
            Examiners(self.trial, self.assessor),
        )

    @property
    def state(self) -> Governance:
        return self.journal.state

    @property
    def meter(self) -> ShadowMeter:
        """Of the step that holds."""
        rollout = self.state.rollout
        assert rollout is not None
        return self.meters.setdefault((rollout.id, rollout.step), ShadowMeter())

    def policy(self) -> ActivePolicy:
        """What a follower of this journal would serve."""
        rollout = self.state.rollout
        if rollout is None:
            return replace(self._policy, hold=self.hold)
        candidate = CandidatePolicy(
            bundle=rollout.bundle,
            revision=rollout.revision,
            engine=FakeEngine(),
            floor=self._policy.floor,
            declaration=DECLARATION,
            schedule=parse_windows([]),
            lanes=Lanes(rollout.bundle, rollout.steps[: rollout.step + 1 - self.behind]),
            meter=self.meter,
        )
        return replace(self._policy, candidate=candidate, hold=self.hold)

    async def tick(self, times: int = 1) -> Governance:
        """Ticks, each with what it began brought to its end."""
        for _ in range(times):
            await self.steward.tick()
            await self.steward.settle()
        return await self.journal.refresh()

    def see(self, evaluated: int = 10, failures: int = 0, *losses: str) -> None:
        """The candidate was asked beside the active one."""
        meter = self.meter
        place = (SENDER.environment, SENDER.region)
        meter.evaluated[place] = meter.evaluated.get(place, 0) + evaluated
        if failures:
            meter.failures[place] = meter.failures.get(place, 0) + failures
        for name in losses:
            meter.losses[lost(name)] = KEPT


UNREADY = EngineError("OPA was not healthy within 20 s")
