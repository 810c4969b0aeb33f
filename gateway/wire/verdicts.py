"""Verdicts as they travel: action, reasons, obligations, lease (docs/formats.md section 3)."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Action = Literal["drop", "sample", "keep"]
Effect = Literal["permitted", "overridden", "fail_safe"]
Level = Literal["hard", "soft", "advisory"]

KEEP_PERMILLE = 1000
OBLIGATION_TYPES = frozenset(
    {"retain_days", "no_sampling", "full_audit", "encrypt", "allowed_regions", "mask"}
)

Obligation = Mapping[str, Any]


class Reason(msgspec.Struct, frozen=True):
    """Why a verdict is what it is. `control` is a known control id, `rule` a Rego package."""

    control: str
    rule: str
    level: Level
    message: str
    remediation: str = ""


class Lease(msgspec.Struct, frozen=True, rename={"class_key": "class"}):
    """Permission to act on one class; `expires` in the wall time of docs/formats.md."""

    class_key: str
    activation: int
    ttl_seconds: int
    expires: str
    max_uses: int | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The answer for one class. `sample_rate` is the share kept: 1.0 keep, 0.0 drop."""

    action: Action
    sample_rate: float
    effect: Effect
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[dict[str, Any], ...] = ()
    lease: Lease | None = None


class PolicyRef(msgspec.Struct, frozen=True):
    """Which policy answered."""

    activation: int
    revision: str
    bundle: str
    floor: str


class EntryRef(msgspec.Struct, frozen=True):
    """Where an answer stands in the log."""

    index: int
    leaf_hash: str


class DecisionAnswer(msgspec.Struct, frozen=True):
    """The whole answer of `POST /v1/decisions`."""

    policy: PolicyRef
    entries: tuple[EntryRef, ...]
    checkpoint: str | None
    verdicts: tuple[Verdict, ...]
    refs: tuple[tuple[str, int], ...]


def protection(action: Action, sample_permille: int) -> int:
    """The share kept in permille: the order of protection is the order of this number."""
    if action == "keep":
        return KEEP_PERMILLE
    return 0 if action == "drop" else sample_permille
