"""Bundles that somebody stages or goes back to: which may be, and what the journal says then."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import canonical
from gateway.bundles.folder import Bundle
from gateway.bundles.sealed_data import verify_unsealed
from gateway.changes.activation import verify_declaration
from gateway.changes.journal import JournalDraft
from gateway.changes.people import Person, Reasons, change_fields
from gateway.changes.records import change_id
from gateway.changes.state import OVER, Activation, Change, Governance, Kind
from gateway.decisions.floor import rows_of
from gateway.decisions.lanes import ANY, FULL_SHARE_PERMILLE
from gateway.decisions.windows import parse_windows
from gateway.errors import ChangeRefusedError, ConflictError

EVERYWHERE: dict[str, canonical.Value] = {
    "environment": ANY,
    "region": ANY,
    "share_permille": FULL_SHARE_PERMILLE,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle as a change names it. `signer` is the fingerprint of the key that signed it."""

    bundle: str
    revision: str
    version: int
    signer: str

    def subject(self) -> dict[str, canonical.Value]:
        """As docs/formats.md section 11 says."""
        return {
            "bundle": self.bundle,
            "revision": self.revision,
            "signer": self.signer,
            "version": self.version,
        }


def verify_usable(bundle: Bundle) -> None:
    """Raises BundleError unless the gateway can serve by the bundle: nothing that OPA would notice,
    and what would hold up every verdict if it came out at the activation."""
    verify_declaration(bundle.class_declaration)
    parse_windows(bundle.windows)
    verify_unsealed(bundle)
    rows_of(bundle)


def open_change_of(state: Governance, kind: Kind, bundle: str) -> Change | None:
    """The change of this kind that is about the bundle and not over."""
    found = (
        change
        for change in state.changes.values()
        if change.kind is kind and change.stage not in OVER and change.subject["bundle"] == bundle
    )
    return next(found, None)


def stage_drafts(
    state: Governance, person: Person, candidate: Candidate, reasons: Reasons
) -> list[JournalDraft]:
    """Nothing where the same person staged the same already: a command may be repeated when its
    answer was lost. Raises ConflictError where somebody else did."""
    standing = open_change_of(state, Kind.BUNDLE, candidate.bundle)
    if standing is not None:
        if standing.author == person.uri:
            return []
        raise ConflictError(f"{standing.id} stages this bundle already and is {standing.stage}")
    before = state.active.revision if state.active else ""
    change = change_fields(person, "bundle.stage", before, candidate.revision, reasons)
    return [_staged(Kind.BUNDLE, person, candidate, change)]


def rollback_drafts(
    state: Governance, person: Person, target: Activation, reasons: Reasons
) -> list[JournalDraft]:
    """Staged, and in the same group the more protective of both for everybody."""
    if state.rollout is not None:
        raise ConflictError(f"{state.rollout.id} is being rolled out; look again")
    candidate = Candidate(
        target.bundle, target.revision, target.version, _signer_of(state, target.bundle)
    )
    before = state.active.revision if state.active else ""
    change = change_fields(person, "bundle.rollback", before, candidate.revision, reasons)
    step = JournalDraft(
        "rollout.stepped",
        lambda seq: {
            "change": change,
            "gate": None,
            "id": change_id(seq - 1),  # the entry before it in the group
            "step": 0,
            "steps": [EVERYWHERE],
        },
    )
    return [_staged(Kind.ROLLBACK, person, candidate, change), step]


def halt_drafts(state: Governance, person: Person, reasons: Reasons) -> list[JournalDraft]:
    """Stops the rollout where it is. Raises ChangeRefusedError where there is nothing to stop."""
    rollout = state.rollout
    if rollout is None:
        raise ConflictError("the rollout is over meanwhile; look again")
    if rollout.is_halted:
        raise ChangeRefusedError(
            f"{rollout.id} is halted already: `gateway change reject {rollout.id}`, by an approver "
            "who is not its author, ends it"
        )
    if state.changes[rollout.id].kind is Kind.ROLLBACK:
        raise ChangeRefusedError(
            f"{rollout.id} goes back to {rollout.revision} already: everybody has the more "
            "protective of both, and an approver's word puts it in force"
        )
    where = f"step {rollout.step + 1} of {len(rollout.steps)}"
    change = change_fields(person, "rollout.halt", where, "halted", reasons)
    body: dict[str, canonical.Value] = {
        "change": change,
        "failures": [f"asked for by {person.uri}"],
        "gate": None,
        "id": rollout.id,
        "step": rollout.step,
    }
    return [JournalDraft("rollout.halted", lambda seq: body)]


def target_of(state: Governance, to: str) -> Activation:
    """The earlier activation that `to` names by revision or bundle hash; without a name the newest
    one of another bundle than the one in force. Raises ChangeRefusedError."""
    if state.active is None:
        raise ChangeRefusedError("nothing is in force yet")
    in_force = state.active.bundle
    for activation in reversed(state.accepted):
        wanted = to in (activation.revision, activation.bundle) if to else True
        if wanted and activation.bundle != in_force:
            return activation
    if to in (state.active.revision, in_force):
        raise ChangeRefusedError(f"{to} is in force already")
    raise ChangeRefusedError(
        f"{to} was never in force here; stage it instead"
        if to
        else "no other bundle was ever in force here, so there is nothing to go back to"
    )


def _staged(
    kind: Kind, person: Person, candidate: Candidate, change: dict[str, canonical.Value]
) -> JournalDraft:
    body: dict[str, canonical.Value] = {
        "change": change,
        "key": person.key,
        "kind": str(kind),
        "subject": candidate.subject(),
    }
    return JournalDraft("change.staged", lambda seq: body)


def _signer_of(state: Governance, bundle: str) -> str:
    subjects: list[Mapping[str, Any]] = [one.subject for one in state.changes.values()]
    found = (one["signer"] for one in subjects if one.get("bundle") == bundle)
    return str(next(found, ""))
