"""Composition of the steward and the vigil: their ports over the running lifecycle, database and
OPA."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.audit.port import Log
from gateway.bundles.folder import Bundle
from gateway.changes.assessor import Recorded, RecordedAssessor
from gateway.changes.deed_port import Removals
from gateway.changes.deeds import Deeds
from gateway.changes.journal import Records
from gateway.changes.key_handover import LogHandover
from gateway.changes.plan import RolloutPlan
from gateway.changes.rollout import RolloutActs, Serving
from gateway.changes.steward import Examiners, Steward
from gateway.changes.trial import BundleTrial
from gateway.changes.validation import OpaValidation
from gateway.changes.vigil import Vigil
from gateway.clock import Clock
from gateway.configuration import GatewayConfig, RolloutConfig
from gateway.engine.opa import EngineLimits
from gateway.engine.port import Engine
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from gateway.lifecycle import Lifecycle
from gateway.recorded.port import ClassVault, RecordedEntries

_DEADLINE_SECONDS = 30.0  # nobody waits for a lease while an impact is worked out


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was recorded: `SqlRecordedEntries(database, origin)` and `SqlLog.vault`."""

    entries: RecordedEntries
    vault: ClassVault


def make_steward(
    config: GatewayConfig,
    lifecycle: Lifecycle,
    log: Log,
    traffic: Traffic,
    clock: Clock,
    actor: str,
    removals: Removals,
    is_held: Callable[[str], bool],
) -> Steward:
    """The steward of this process; call `run()` as a task, `aclose()` at the end. `is_held(vkey)`
    says whether this process holds that key of the log. Raises ConfigError for a rollout of too
    many steps."""
    store, journal, follower = lifecycle.store, lifecycle.journal, lifecycle.follower
    opa = config.engine.opa
    records = Records(journal, log, store)
    rollout = RolloutActs(
        records,
        clock,
        actor,
        rollout_plan(config.rollout),
        Serving(follower, lifecycle.engines.is_ready),
        OpaValidation(lifecycle.engines, opa),
    )
    open = lifecycle.open
    recorded = Recorded(traffic.entries, traffic.vault, store)
    assessor = RecordedAssessor(
        recorded,
        journal,
        lifecycle.engines,
        follower,
        lambda archive: open(archive).bundle,
        partial(_supervise, config=config),
        clock,
    )
    examiners = Examiners(BundleTrial(store, open, opa), assessor)
    deeds = Deeds(records, removals, LogHandover(is_held, actor), clock, actor)
    return Steward(records, clock, actor, rollout, examiners, deeds)


def make_vigil(lifecycle: Lifecycle, traffic: Traffic, clock: Clock, actor: str) -> Vigil:
    """The vigil of this process; call `run()` as a task."""
    return Vigil(
        traffic.entries,
        traffic.vault,
        lifecycle.journal,
        lifecycle.engines.opened,
        clock,
        actor,
    )


def rollout_plan(config: RolloutConfig) -> RolloutPlan:
    """The plan that the configuration gives."""
    return RolloutPlan(
        environments=config.environments,
        regions=config.regions,
        share_permille=config.share_permille,
        dwell_seconds=config.dwell_seconds,
        min_evaluated=config.min_evaluated,
    )


async def _supervise(bundle: Bundle, config: GatewayConfig) -> Engine:
    limits = SupervisionLimits(engine=EngineLimits(deadline_seconds=_DEADLINE_SECONDS))
    opa = SupervisedOpa(bundle, config.engine.opa, limits)
    await opa.start()
    return opa
