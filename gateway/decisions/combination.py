"""The more protective of two verdicts for one class: what a canary collector is told (P2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.decisions.verdict import Settled, action_of
from gateway.wire.classes import ProcessClass
from gateway.wire.verdicts import KEEP_PERMILLE, Effect, protection

Obligation = Mapping[str, Any]
_LONGEST = ("at_least", "at_hand")


def combine(process_class: ProcessClass, one: Settled, other: Settled) -> Settled:
    """Keep > sample at a higher rate > sample at a lower rate > drop; every obligation of both."""
    obligations = merge_obligations(one.obligations, other.obligations)
    bound = any(obligation.get("type") == "no_sampling" for obligation in obligations)
    share = KEEP_PERMILLE if bound else max(one.sample_permille, other.sample_permille)
    proposed = protection(process_class.action, process_class.sample_permille)
    action = action_of(share)
    is_as_proposed = (action, share) == (process_class.action, proposed)
    effect: Effect = "permitted" if is_as_proposed else "overridden"
    reasons = (*one.reasons, *(reason for reason in other.reasons if reason not in one.reasons))
    return Settled(
        action=action,
        sample_permille=share,
        effect=effect,
        reasons=reasons,
        obligations=obligations,
        ttl_seconds=min(one.ttl_seconds, other.ttl_seconds),
    )


def merge_obligations(
    one: Sequence[Obligation], other: Sequence[Obligation]
) -> tuple[Obligation, ...]:
    """Each obligation of both is met by the result, one a type, sorted by type."""
    if list(one) == list(other):
        return tuple(one)
    by_type: dict[str, list[Obligation]] = {}
    for obligation in (*one, *other):
        by_type.setdefault(str(obligation["type"]), []).append(obligation)
    merged: list[Obligation] = []
    for kind in sorted(by_type):
        merged.extend(_MERGED.get(kind, _distinct)(by_type[kind]))
    return tuple(merged)


def _distinct(duties: Sequence[Obligation]) -> list[Obligation]:
    return [duty for position, duty in enumerate(duties) if duty not in duties[:position]]


def _retention(duties: Sequence[Obligation]) -> list[Obligation]:
    merged: dict[str, Any] = {"type": "retain_days"}
    for name in _LONGEST:
        days = [duty[name] for duty in duties if name in duty]
        if days:
            merged[name] = max(days)
    at_most = [duty["at_most"] for duty in duties if "at_most" in duty]
    # Evidence wins over privacy limits, as in the policies (lib.obligations).
    if at_most and merged.get("at_least", 0) <= min(at_most):
        merged["at_most"] = min(at_most)
    return [merged]


def _regions(duties: Sequence[Obligation]) -> list[Obligation]:
    allowed = set.intersection(*(set(duty["regions"]) for duty in duties))
    return [{"type": "allowed_regions", "regions": sorted(allowed)}]


def _masks(duties: Sequence[Obligation]) -> list[Obligation]:
    attributes = sorted({name for duty in duties for name in duty["attributes"]})
    return [{"type": "mask", "attributes": attributes}]


_MERGED = {"retain_days": _retention, "allowed_regions": _regions, "mask": _masks}
