"""What a staged change is looked at for before anybody approves it: its trial and its impact."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway import canonical
from gateway.audit.port import BundleStore
from gateway.changes.journal import JournalDraft
from gateway.changes.state import Change, Governance, Kind, Stage
from gateway.impact.report import losses_hash

MAX_NAMED_LOSSES = 200
_NAMES_BYTES = 48_000  # of an entry's 65,535
MAX_DETAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """Whether a bundle may be asked at all; `detail` says what held, or what did not."""

    passed: bool
    detail: str


class Trial(Protocol):
    """Tries a staged bundle. Raises GatewayError when it cannot be tried now."""

    async def __call__(self, change: Change) -> TrialOutcome: ...


@dataclass(frozen=True, slots=True)
class AssessmentResult:
    """What a bundle would do to recorded traffic. `report` is the whole of it, as JSON; `more` and
    `less` are verdicts that protect more or less than what is in force; `losses` are all names."""

    report: bytes
    classes: int
    verdicts: int
    more: int
    less: int
    losses: tuple[str, ...]


class Assessor(Protocol):
    """Works out the impact of a bundle. Raises GatewayError when it cannot be known now."""

    async def assess(self, bundle_hash: str) -> AssessmentResult: ...


def unexamined(state: Governance) -> Iterator[Change]:
    """Changes that wait for a trial or an assessment, rollbacks before others, oldest first."""
    waiting = [change for change in state.changes.values() if needs_trial(change)]
    assessed = [change for change in state.changes.values() if needs_assessment(change)]
    yield from (change for change in assessed if change.kind is Kind.ROLLBACK)
    yield from (change for change in assessed if change.kind is Kind.BUNDLE)
    yield from waiting


def needs_trial(change: Change) -> bool:
    """Whether it is a new bundle that nobody tried."""
    return change.kind is Kind.BUNDLE and change.stage is Stage.STAGED


def needs_assessment(change: Change) -> bool:
    """Whether it is a bundle whose impact nobody knows."""
    if change.assessment is not None or change.approval is not None:
        return False
    if change.kind is Kind.ROLLBACK:
        return change.stage in (Stage.STAGED, Stage.ROLLING)
    return change.kind is Kind.BUNDLE and change.stage is Stage.TESTED


def tested_draft(change: Change, outcome: TrialOutcome) -> JournalDraft:
    """The entry of a trial; one that failed rejects."""
    body: dict[str, canonical.Value] = {
        "detail": outcome.detail[:MAX_DETAIL_CHARACTERS],
        "id": change.id,
        "passed": outcome.passed,
    }
    return JournalDraft("change.tested", lambda seq: body)


def refusal_body(change: Change, outcome: TrialOutcome) -> Mapping[str, canonical.Value]:
    """The body of the `bundle.refused` entry that a failed trial leaves."""
    return {
        "bundle": str(change.subject["bundle"]),
        "id": change.id,
        "reason": outcome.detail[:MAX_DETAIL_CHARACTERS],
    }


def assessed_draft(change: Change, result: AssessmentResult, report: str) -> JournalDraft:
    """The entry of an assessment; `report` names what is in the store."""
    body: dict[str, canonical.Value] = {
        "classes": result.classes,
        "id": change.id,
        "less": result.less,
        "losses": [*first_names(result.losses)],
        "losses_count": len(result.losses),
        "losses_hash": losses_hash(result.losses),
        "more": result.more,
        "report": report,
        "verdicts": result.verdicts,
    }
    return JournalDraft("change.assessed", lambda seq: body)


def first_names(losses: Sequence[str]) -> list[str]:
    """As many names as an entry has room for, in order."""
    names: list[str] = []
    used = 0
    for name in sorted(losses)[:MAX_NAMED_LOSSES]:
        used += len(canonical.encode(name)) + 1
        if used > _NAMES_BYTES:
            break
        names.append(name)
    return names


def keep_report(store: BundleStore, report: bytes) -> str:
    """Put the report into the store; its name there. Blocks. Raises StorageError."""
    name = hashlib.sha256(report).hexdigest()
    store.put(name, report)
    return name
