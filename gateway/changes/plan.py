"""How an approved bundle reaches collectors: its steps, and how long each is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.changes.gates import GateLimits
from gateway.changes.rollout_steps import MAX_STEPS
from gateway.decisions.lanes import ANY, FULL_SHARE_PERMILLE, Step
from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """Environments in order, then the last one's regions in order. Each step holds for at least
    `dwell_seconds` and until `min_evaluated` classes were compared where it is, three times as long
    where fewer are seen."""

    environments: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    share_permille: int = 200
    dwell_seconds: int = 600
    min_evaluated: int = 20
    limits: GateLimits = field(default_factory=GateLimits)


def plan_steps(plan: RolloutPlan) -> tuple[Step, ...]:
    """The steps of a rollout; raises ConfigError when they are too many for one."""
    steps = tuple(dict.fromkeys(_steps(plan)))  # a share of all is one step, not two
    if len(steps) > MAX_STEPS:
        raise ConfigError(
            f"at rollout: {len(steps)} steps, at most {MAX_STEPS} are possible; "
            "list fewer environments or regions"
        )
    return steps


def _steps(plan: RolloutPlan) -> Iterator[Step]:
    *earlier, last = plan.environments or (ANY,)
    for environment in earlier:
        yield from _place(environment, ANY, plan.share_permille)
    for region in plan.regions or (ANY,):
        yield from _place(last, region, plan.share_permille)
    if plan.regions:
        yield Step(ANY, ANY, FULL_SHARE_PERMILLE)  # what is left


def _place(environment: str, region: str, share_permille: int) -> Iterator[Step]:
    yield Step(environment, region, share_permille)
    yield Step(environment, region, FULL_SHARE_PERMILLE)
