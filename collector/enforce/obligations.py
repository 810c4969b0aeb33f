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

from collections.abc import Mapping, Sequence
from typing import Any

from collector.enforce.decision import Decision
from gateway.wire.verdicts import KEEP_PERMILLE, Obligation

MASKED = "[masked]"

# What may hold a person's name or a secret; masked where no verdict says that it need not be.
STRICTEST_MASK = ("process.command_line", "process.command_args", "process.owner")

Attributes = dict[str, Any]


def strictest(home_region: str) -> tuple[Obligation, ...]:
    """What holds for a point kept without a verdict: home region, encrypted, masked, unsampled."""
    return (
        {"type": "no_sampling"},
        {"type": "encrypt"},
        {"type": "allowed_regions", "regions": [home_region]},
        {"type": "mask", "attributes": list(STRICTEST_MASK)},
    )


def oblige(attributes: Mapping[str, Any], decision: Decision, home_region: str) -> Attributes:
    """A kept process's resource attributes with its obligations attached and masks applied."""
    leased = decision.obligations is not None
    obligations = decision.obligations if leased else strictest(home_region)
    assert obligations is not None
    obliged: Attributes = dict(attributes)
    obliged["compliance.verdict"] = "leased" if leased else "none"
    for obligation in obligations:
        _attach(obliged, obligation)
    for name in obliged.get("compliance.mask", ()):
        if name in attributes:
            obliged[name] = MASKED
    if decision.kept_permille < KEEP_PERMILLE:
        obliged["compliance.sampling.kept_permille"] = decision.kept_permille
    return obliged


def _attach(obliged: Attributes, obligation: Obligation) -> None:
    kind = obligation["type"]
    if kind == "retain_days":
        for bound in ("at_least", "at_most", "at_hand"):
            if isinstance(obligation.get(bound), int):
                _tighten(obliged, f"compliance.retain_days.{bound}", obligation[bound])
    elif kind == "allowed_regions":
        _narrow(obliged, _texts(obligation.get("regions", ())))
    elif kind == "mask":
        masked = set(obliged.get("compliance.mask", ())) | set(
            _texts(obligation.get("attributes", ()))
        )
        obliged["compliance.mask"] = sorted(masked)
    else:
        obliged[f"compliance.{kind}"] = True


def _tighten(obliged: Attributes, name: str, days: int) -> None:
    stricter = min if name.endswith("at_most") else max
    obliged[name] = stricter(obliged.get(name, days), days)


def _narrow(obliged: Attributes, regions: Sequence[str]) -> None:
    allowed = set(obliged.get("compliance.allowed_regions", regions)) & set(regions)
    obliged["compliance.allowed_regions"] = sorted(allowed)


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if _is_list(values) else []


def _is_list(values: Any) -> bool:
    return isinstance(values, list | tuple)
