"""Subjects: who a certificate says is calling (docs/formats.md section 1)."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a subject may do; the only roles there are."""

    COLLECTOR = "collector"
    AUTHOR = "author"
    APPROVER = "approver"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    GATEWAY = "gateway"
    ENGINE = "engine"  # an OPA server of the user's


@dataclass(frozen=True, slots=True)
class Subject:
    """One identity. `environment` and `region` are empty unless the role is collector; `name` is
    the last segment (a collector's id; a person's, gateway's or engine's name)."""

    uri: str
    trust_domain: str
    role: Role
    name: str
    environment: str = ""
    region: str = ""
