"""Obligations on kept points: attached as resource attributes, and masking done at once.

| attribute | value |
|---|---|
| `compliance.verdict` | `leased`, or `none` where no live verdict stood and the strictest hold |
| `compliance.retain_days.at_least`, `.at_most`, `.at_hand` | days, integers |
| `compliance.no_sampling`, `compliance.full_audit`, `compliance.encrypt` | true |
| `compliance.allowed_regions` | region names, array |
| `compliance.mask` | the attributes whose values were masked, array |
| `compliance.sampling.kept_permille` | the share of the class's processes kept, when sampled |
"""

from collections.abc import Sequence
from typing import Any

from collector.enforce.decision import Decision
from collector.model import Attributes, AttributeValue
from gateway.wire.verdicts import KEEP_PERMILLE, Obligation

MASKED = "[masked]"

# What may hold a person's name or a secret; masked where no verdict says that it need not be.
STRICTEST_MASK = ("process.command_line", "process.command_args", "process.owner")


def strictest(home_region: str) -> tuple[Obligation, ...]:
    """What holds for a point kept without a verdict: home region, encrypted, masked, unsampled."""
    return (
        {"type": "no_sampling"},
        {"type": "encrypt"},
        {"type": "allowed_regions", "regions": [home_region]},
        {"type": "mask", "attributes": list(STRICTEST_MASK)},
    )


def oblige(
    attributes: Attributes, decision: Decision, home_region: str
) -> dict[str, AttributeValue]:
    """A kept process's resource attributes with its obligations attached and masks applied."""
    given = decision.obligations
    obligations = strictest(home_region) if given is None else given
    obliged = dict(attributes)
    obliged["compliance.verdict"] = "none" if given is None else "leased"
    masked = {name for item in obligations if item["type"] == "mask" for name in _masks(item)}
    for name in masked & attributes.keys():
        obliged[name] = MASKED
    if masked:
        obliged["compliance.mask"] = tuple(sorted(masked))
    for obligation in obligations:
        _attach(obliged, obligation)
    _attach_regions(obliged, obligations)
    if decision.kept_permille < KEEP_PERMILLE:
        obliged["compliance.sampling.kept_permille"] = decision.kept_permille
    return obliged


def _attach(obliged: dict[str, AttributeValue], obligation: Obligation) -> None:
    kind = obligation["type"]
    if kind == "retain_days":
        for bound in ("at_least", "at_most", "at_hand"):
            days = obligation.get(bound)
            if isinstance(days, int):
                _tighten(obliged, f"compliance.retain_days.{bound}", days)
    elif kind not in ("allowed_regions", "mask"):
        obliged[f"compliance.{kind}"] = True


def _tighten(obliged: dict[str, AttributeValue], name: str, days: int) -> None:
    stricter = min if name.endswith("at_most") else max
    before = obliged.get(name)
    obliged[name] = stricter(before, days) if isinstance(before, int) else days


def _attach_regions(obliged: dict[str, AttributeValue], obligations: Sequence[Obligation]) -> None:
    """Several lists of regions allow only what is in each of them."""
    lists = [
        frozenset(_texts(item.get("regions")))
        for item in obligations
        if item["type"] == "allowed_regions"
    ]
    if lists:
        obliged["compliance.allowed_regions"] = tuple(sorted(frozenset.intersection(*lists)))


def _masks(obligation: Obligation) -> list[str]:
    return _texts(obligation.get("attributes"))


def _texts(values: Any) -> list[str]:
    listed = values if isinstance(values, list | tuple) else ()
    return [value for value in listed if isinstance(value, str)]
