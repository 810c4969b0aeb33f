"""Makes the policy that the decision service serves out of what the journal says is in force."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.changes.engines import Engines, LiveBundle
from gateway.changes.state import Activation, ExceptionGrant, Governance, Rollout
from gateway.clock import format_time
from gateway.decisions.exceptions import Exceptions, LiveException
from gateway.decisions.floor import Floor, FloorFile, FloorRow, parse_rows
from gateway.decisions.lanes import Lanes
from gateway.decisions.policy import ActivePolicy, CandidatePolicy
from gateway.decisions.proposals import ProposalReader
from gateway.decisions.shadow import ShadowMeter
from gateway.errors import ConfigError
from gateway.wire.classes import join_declarations
from gateway.wire.patterns import parse_pattern
from gateway.wire.verdicts import PolicyRef

_DAY_US = 86_400_000_000


class Assembly:
    """`floor_of(hash)` gives the signed floor file of that hash, None for the empty one."""

    def __init__(
        self,
        engines: Engines,
        floor_of: Callable[[str], FloorFile | None],
        max_age_days: int,
    ) -> None:
        self._engines = engines
        self._floor_of = floor_of
        self._max_age_days = max_age_days

    async def assemble(self, state: Governance, before: ActivePolicy | None) -> ActivePolicy:
        """The policy of this state; a step that goes on keeps its meter, and losses count until the
        rollout's end. Raises BundleError, EngineError, ConfigError, StorageError."""
        active = state.active
        if active is None:
            raise ConfigError("no policy is in force yet")
        live = await self._engines.ready(active.bundle, is_candidate=False)
        floor_file = self._floor_of(active.floor_note)
        protections = protection_rows([one.row for one in state.protections])
        floor = Floor(floor_file, live.rows, protections)
        candidate = None
        declaration = live.bundle.class_declaration
        if state.rollout is not None:
            other = await self._engines.ready(state.rollout.bundle, is_candidate=True)
            other_floor = Floor(floor_file, other.rows, protections)
            candidate = _candidate(state.rollout, other, other_floor, before)
            declaration = join_declarations(declaration, candidate.declaration)
        return ActivePolicy(
            ref=PolicyRef(state.activation, active.revision, active.bundle, floor.hash),
            engine=live.engine,
            floor=floor,
            declaration=live.bundle.class_declaration,
            reader=ProposalReader(declaration),
            schedule=live.schedule,
            max_age_seconds=self._max_age_days * 86_400,
            expires_us=self._expires_us(active),
            candidate=candidate,
            exceptions=live_exceptions(state.exceptions),
        )

    def _expires_us(self, active: Activation) -> int:
        return active.activated_us + self._max_age_days * _DAY_US


def protection_rows(rows: list[Mapping[str, Any]]) -> tuple[FloorRow, ...]:
    """The floor rows that `gateway policy protect` added."""
    return parse_rows(rows, "protections of the journal")


def live_exceptions(grants: tuple[ExceptionGrant, ...]) -> Exceptions:
    """The granted exceptions as decisions use them."""
    return Exceptions(tuple(map(_live_exception, grants)))


def _live_exception(grant: ExceptionGrant) -> LiveException:
    [(kind, text)] = grant.pattern.items()
    return LiveException(
        id=grant.id,
        rules=frozenset(grant.rules),
        pattern=parse_pattern(kind, text, f"exception {grant.id}"),
        environment=grant.environment,
        region=grant.region,
        reason=grant.reason,
        expires_us=grant.expires_us,
        expires=format_time(grant.expires_us),
    )


def _candidate(
    rollout: Rollout, live: LiveBundle, floor: Floor, before: ActivePolicy | None
) -> CandidatePolicy:
    lanes = Lanes(rollout.bundle, rollout.steps[: rollout.step + 1])
    return CandidatePolicy(
        bundle=rollout.bundle,
        revision=rollout.revision,
        engine=live.engine,
        floor=floor,
        declaration=live.bundle.class_declaration,
        schedule=live.schedule,
        lanes=lanes,
        meter=_meter(lanes, before.candidate if before is not None else None),
    )


def _meter(lanes: Lanes, before: CandidatePolicy | None) -> ShadowMeter:
    """A step's own. Losses count from step to step: one that was seen just before a step ended, or
    that is still being noted, halts the next."""
    if before is None or before.bundle != lanes.bundle:
        return ShadowMeter()
    if before.lanes == lanes:
        return before.meter
    return ShadowMeter(losses=before.meter.losses)
