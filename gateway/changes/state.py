"""What is in force and what waits: the frozen state that the log's journal entries fold to
(docs/formats.md section 11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from gateway.changes.deed_port import Month
from gateway.decisions.lanes import Step


class Kind(StrEnum):
    """What a change changes."""

    BUNDLE = "bundle"
    ROLLBACK = "rollback"
    EXCEPTION = "exception"
    PROTECTION = "protection"
    PURGE = "purge"
    ERASURE = "erasure"
    RELEASE = "release"
    KEY = "key"
    HOLD = "hold"


DEEDS = frozenset({Kind.PURGE, Kind.ERASURE, Kind.RELEASE, Kind.KEY})


class Stage(StrEnum):
    """How far a change is. `STANDING`: in force already and waiting for its confirmation."""

    STAGED = "staged"
    TESTED = "tested"
    ASSESSED = "assessed"
    APPROVED = "approved"
    ROLLING = "rolling"
    HALTED = "halted"
    STANDING = "standing"
    ACTIVE = "active"
    REJECTED = "rejected"
    ENDED = "ended"


WAITING = frozenset({Stage.STAGED, Stage.TESTED, Stage.ASSESSED, Stage.APPROVED})
OVER = frozenset({Stage.ACTIVE, Stage.REJECTED, Stage.ENDED})


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation. `number` is the sequence number of its entry, so it is never used twice;
    `floor_note` is the SHA-256 (hex) of the signed floor file, empty without one."""

    number: int
    bundle: str
    revision: str
    version: int
    floor_note: str
    activated_us: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a change would do to recorded traffic; `report` names the whole report in the store."""

    report: str
    classes: int
    verdicts: int
    more: int
    less: int
    losses: tuple[str, ...]
    losses_hash: str
    losses_count: int


@dataclass(frozen=True, slots=True)
class Approval:
    """A second person's word."""

    approver: str
    key: str
    approval_id: str
    justification: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change and how far it is. `key` is the author's public key (hex SHA-256 of the SPKI)."""

    id: str
    kind: Kind
    author: str
    key: str
    subject: Mapping[str, Any]
    justification: str
    staged_us: int
    stage: Stage
    detail: str = ""
    assessment: Assessment | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """A candidate on its way: every step up to `step` holds."""

    id: str
    bundle: str
    revision: str
    version: int
    steps: tuple[Step, ...]
    step: int
    stepped_us: int
    is_halted: bool = False
    failures: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the last step holds."""
        return self.step == len(self.steps) - 1


@dataclass(frozen=True, slots=True)
class Protection:
    """A floor row that was added at once; `row` is as floor rows are (section 7)."""

    id: str
    row: Mapping[str, str]
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class ExceptionGrant:
    """A live exception. Empty environment or region: any."""

    id: str
    rules: tuple[str, ...]
    pattern: Mapping[str, str]
    environment: str
    region: str
    reason: str
    approver: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that people are to look at, until it ends: a protected row's service is not seen.
    `last_seen` is a day (`YYYY-MM-DD`), None where nobody knows one."""

    kind: str
    row: str
    control: str
    last_seen: str | None

    def is_about(self, kind: str, row: str) -> bool:
        """Of one kind and row at most one stands."""
        return self.kind == kind and self.row == row


@dataclass(frozen=True, slots=True)
class Hold:
    """A live legal hold: what it covers stays. Empty text: any; months (`YYYY-MM`) inclusive."""

    id: str
    region: str
    retention_class: str
    from_month: str
    to_month: str

    def keeps(self, month: Month) -> bool:
        """Whether it covers this month's payloads."""
        return (
            self.region in ("", month.region)
            and self.retention_class in ("", month.retention_class)
            and self.keeps_span(month.month, month.month)
        )

    def keeps_span(self, first: str, last: str) -> bool:
        """Whether some month from `first` to `last` is one of its own, in whatever region."""
        return self.from_month <= last and (not self.to_month or first <= self.to_month)


@dataclass(frozen=True, slots=True)
class Governance:
    """The fold of all journal entries. `journal` is the seq of the newest, `activation` of the
    newest that collectors are told of; -1 before the first. `accepted` are all activations,
    `holds` the live ones, `keys` the log's verifier keys as far as they are known, oldest first,
    `purged_months` ids of month keys and `purged_entries` ranges (first, last) that are gone."""

    journal: int = -1
    activation: int = -1
    active: Activation | None = None
    rollout: Rollout | None = None
    protections: tuple[Protection, ...] = ()
    exceptions: tuple[ExceptionGrant, ...] = ()
    changes: Mapping[str, Change] = field(default_factory=lambda: MappingProxyType({}))
    accepted: tuple[Activation, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    holds: tuple[Hold, ...] = ()
    keys: tuple[str, ...] = ()
    purged_months: frozenset[str] = frozenset()
    purged_entries: tuple[tuple[int, int], ...] = ()

    @property
    def newest_version(self) -> int:
        """The highest version that was ever in force, 0 before the first: a rollback does not make
        what came before new again."""
        return max((one.version for one in self.accepted), default=0)

    def waiting(self) -> list[Change]:
        """The changes that wait for a person or a step, oldest first."""
        return [change for change in self.changes.values() if change.stage not in OVER]
