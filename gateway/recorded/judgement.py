"""The gateway's own steps from the engine's answers to a verdict, as parameters: replay and impact
must take exactly those that the decision path takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.decisions.verdict import Settled, settle
from gateway.engine.port import RuleVerdict
from gateway.wire.classes import ProcessClass
from gateway.wire.verdicts import Reason

Exceptions = Sequence[Mapping[str, Any]]

_GUARDS = {"hard": 2, "soft": 1}


class SettleClass(Protocol):
    """One verdict from an engine's answer, the floor's finding and the live exceptions."""

    def __call__(
        self,
        process_class: ProcessClass,
        rules: RuleVerdict,
        floor: Reason | None,
        exceptions: Exceptions,
    ) -> Settled: ...


class JoinVerdicts(Protocol):
    """One verdict from those of the active bundle and the candidate (lane `canary`)."""

    def __call__(self, active: Settled, candidate: Settled) -> Settled: ...


def settle_class(
    process_class: ProcessClass, rules: RuleVerdict, floor: Reason | None, exceptions: Exceptions
) -> Settled:
    """The decision path's own step."""
    return settle(process_class, rules, floor)


def join_verdicts(active: Settled, candidate: Settled) -> Settled:
    """The more protective; of two equal ones the active bundle's."""
    return candidate if protection_rank(candidate) > protection_rank(active) else active


def protection_rank(settled: Settled) -> tuple[int, int]:
    """How much a verdict protects: the share kept in permille, then the strongest level that
    protects (2 hard, 1 soft, 0 none). The second tells apart a process that is kept because a rule
    says so from one that nobody happened to propose to drop."""
    guard = max((_GUARDS.get(reason.level, 0) for reason in settled.reasons), default=0)
    return settled.sample_permille, guard


@dataclass(frozen=True, slots=True)
class Judgement:
    """The steps; the defaults are the decision path's."""

    settle: SettleClass = settle_class
    join: JoinVerdicts = join_verdicts


DEFAULT_JUDGEMENT = Judgement()
