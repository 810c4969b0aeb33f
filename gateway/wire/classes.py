"""Process classes: what policies may see of a process (docs/formats.md section 2).

Collector and gateway project a proposal to its class with this one function, so a lease for a class
means the same on both sides.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway import canonical
from gateway.wire.verdicts import KEEP_PERMILLE, Action

KEY_DOMAIN = b"compliance-gateway/class/v1\n"
ID_DOMAIN = b"compliance-gateway/class-id/v1\n"
ID_BYTES = 24

IDENTITY = "compliance.process.identity"
IDENTITY_SOURCE = "compliance.process.identity_source"
EXECUTABLE_NAME = "process.executable.name"
EXECUTABLE_PATH = "process.executable.path"

# By these a process is known to patterns, with the last segment of its executable's path.
NAME_ATTRIBUTES = (
    EXECUTABLE_NAME,
    "service.name",
    IDENTITY,
    "k8s.container.name",
    "k8s.deployment.name",
    "k8s.pod.label.app",
)


class ClassDeclaration(msgspec.Struct, frozen=True):
    """What policies read, as the bundle declares: attribute names, upper edges of score buckets."""

    attributes: tuple[str, ...]
    score_edges: tuple[int, ...]

    def bucket(self, score: float | None) -> int:
        """The least edge ≥ the score; without a score, or past every edge, the most protective."""
        if score is None:
            return self.score_edges[-1]
        permille = permille_up(score)
        return next((edge for edge in self.score_edges if edge >= permille), KEEP_PERMILLE)


def join_declarations(one: ClassDeclaration, other: ClassDeclaration) -> ClassDeclaration:
    """What both read: every class of either is a restriction of a class of this one."""
    return ClassDeclaration(
        tuple(sorted({*one.attributes, *other.attributes})),
        tuple(sorted({*one.score_edges, *other.score_edges})),
    )


class Sender(msgspec.Struct, frozen=True):
    """What the certificate and the registry say of the collector that asks."""

    environment: str
    region: str
    tier: str


class ProcessClass(msgspec.Struct, frozen=True):
    """One class. `attributes` is sorted by name, so equal classes are equal values."""

    attributes: tuple[tuple[str, str], ...]
    action: Action
    sample_permille: int
    score: int
    profile: str
    sender: Sender

    def canonical(self) -> bytes:
        """The bytes that key, commit to and replay this class."""
        return canonical.encode(
            {
                "action": self.action,
                "attributes": dict(self.attributes),
                "environment": self.sender.environment,
                "profile": self.profile,
                "region": self.sender.region,
                "sample_permille": self.sample_permille,
                "score": self.score,
                "tier": self.sender.tier,
            }
        )

    def key(self) -> str:
        """The class key that leases name."""
        return class_key(self.canonical())


def class_key(class_bytes: bytes) -> str:
    """The class key of a class's canonical bytes."""
    return hashlib.sha256(KEY_DOMAIN + class_bytes).hexdigest()


def permille_up(share: float) -> int:
    """A share of 0..1 in permille, rounded up; the inner rounding undoes binary noise (0.07)."""
    return min(KEEP_PERMILLE, math.ceil(round(share * KEEP_PERMILLE, 6)))


def requested_permille(action: Action, sample_rate: float | None) -> int:
    """The share that a proposal asks to keep; raises ValueError where rate and action disagree."""
    if action == "sample":
        if sample_rate is None or not 0 < sample_rate < 1:
            raise ValueError("sample_rate must lie between 0 and 1 when the action is sample")
        return max(1, permille_up(sample_rate))  # a sample is never rounded into a drop
    if sample_rate is not None:
        raise ValueError("sample_rate goes only with the action sample")
    return KEEP_PERMILLE if action == "keep" else 0


def project(
    declaration: ClassDeclaration,
    sender: Sender,
    attributes: Mapping[str, Any],
    action: Action,
    sample_rate: float | None = None,
    score: float | None = None,
    profile: str = "",
) -> ProcessClass:
    """The class of a proposal; raises ValueError for a declared attribute that is not text."""
    declared = []
    for name in declaration.attributes:
        value = attributes.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"attribute {name} must be text")
        declared.append((name, value))
    declared.sort()
    return ProcessClass(
        attributes=tuple(declared),
        action=action,
        sample_permille=requested_permille(action, sample_rate),
        score=declaration.bucket(score),
        profile=profile,
        sender=sender,
    )


def restrict(process_class: ProcessClass, declaration: ClassDeclaration) -> ProcessClass:
    """The class as `declaration` would have made it, from one that a wider declaration made."""
    declared = frozenset(declaration.attributes)
    edges = declaration.score_edges
    return ProcessClass(
        attributes=tuple(pair for pair in process_class.attributes if pair[0] in declared),
        action=process_class.action,
        sample_permille=process_class.sample_permille,
        score=next((edge for edge in edges if edge >= process_class.score), KEEP_PERMILLE),
        profile=process_class.profile,
        sender=process_class.sender,
    )


def class_id(salt: bytes, class_bytes: bytes) -> str:
    """The salted commitment by which the log names a class, 48 hex digits."""
    return hashlib.sha256(ID_DOMAIN + salt + class_bytes).digest()[:ID_BYTES].hex()
