"""A second person's word: approving a change, and rejecting it."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway import canonical
from gateway.changes.deed_subjects import describe_deed, parse_deed
from gateway.changes.journal import JournalDraft
from gateway.changes.people import Person, Reasons, change_fields
from gateway.changes.state import DEEDS, OVER, Change, Governance, Kind, Stage
from gateway.errors import ChangeRefusedError
from gateway.impact.report import losses_hash

_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class Approving:
    """What an approver says. `bundle` is the hash of the bundle that is approved, empty for changes
    without one; `losses` name every process that loses protection, or `losses_hash` stands for
    them (docs/formats.md section 11)."""

    bundle: str = ""
    losses: tuple[str, ...] = ()
    losses_hash: str = ""


def change_named(state: Governance, change_id: str) -> Change:
    """Raises ChangeRefusedError where there is none."""
    found = state.changes.get(change_id)
    if found is None:
        raise ChangeRefusedError(f"there is no change {change_id[:40]}; `gateway change list`")
    return found


def approval_drafts(
    state: Governance, person: Person, change: Change, said: Approving, reasons: Reasons
) -> list[JournalDraft]:
    """Nothing where the same person approved with the same approval id already. Raises
    ChangeRefusedError; the fold refuses the rest."""
    standing = change.approval
    if standing is not None:
        if (standing.approver, standing.approval_id) == (person.uri, reasons.approval_id):
            return []
        raise ChangeRefusedError(f"{change.id} is approved already, by {standing.approver}")
    if change.kind is Kind.HOLD:
        raise ChangeRefusedError(f"{change.id} is a hold: it needs no approval, only its release")
    _verify_bundle(change, said.bundle)
    digest = _losses_of(change, said)
    body: dict[str, canonical.Value] = {
        "bundle": said.bundle,
        "change": _approved(state, change, person, reasons),
        "id": change.id,
        "key": person.key,
        "losses_hash": digest,
    }
    drafts = [JournalDraft("change.approved", lambda seq: body)]
    if change.kind is Kind.EXCEPTION:
        grant: dict[str, canonical.Value] = {"change": body["change"], "id": change.id}
        drafts.append(JournalDraft("exception.granted", lambda seq: grant))
    return drafts


def rejection_drafts(
    state: Governance, person: Person, change: Change, reasons: Reasons
) -> list[JournalDraft]:
    """What rejecting means depends on how far the change is. Raises ChangeRefusedError."""
    if change.kind is Kind.EXCEPTION and change.stage is Stage.ACTIVE:
        raise ChangeRefusedError(f"{change.id} is live; `gateway exception revoke` ends it")
    if change.kind is Kind.HOLD and change.stage is Stage.ACTIVE:
        raise ChangeRefusedError(
            f"{change.id} holds until it is released; `gateway audit hold release` asks for that"
        )
    if change.stage in OVER:
        raise ChangeRefusedError(f"{change.id} is {change.stage} already")
    entry, change_type, new = _rejection(state, change)
    before = _subject_text(change) if entry == "protection.removed" else str(change.stage)
    body: dict[str, canonical.Value] = {
        "change": change_fields(person, change_type, before, new, reasons),
        "id": change.id,
        "key": person.key,
    }
    return [JournalDraft(entry, lambda seq: body)]


def _rejection(state: Governance, change: Change) -> tuple[str, str, str]:
    """The entry's type, the change type and the new value."""
    if change.kind is Kind.PROTECTION:
        return "protection.removed", "protection.reject", ""
    if change.stage in (Stage.ROLLING, Stage.HALTED):
        in_force = state.active.revision if state.active else ""
        return "rollout.ended", f"{change.kind}.reject", in_force
    return "change.rejected", f"{change.kind}.reject", str(Stage.REJECTED)


def _approved(
    state: Governance, change: Change, person: Person, reasons: Reasons
) -> dict[str, canonical.Value]:
    before = "" if state.active is None or "bundle" not in change.subject else state.active.revision
    return change_fields(person, f"{change.kind}.approve", before, _subject_text(change), reasons)


def _subject_text(change: Change) -> str:
    subject = change.subject
    if change.kind in DEEDS:
        return describe_deed(parse_deed(change.kind, subject))
    if "revision" in subject:
        return str(subject["revision"])
    pattern = subject.get("pattern", subject)
    [text] = [f"{kind}: {pattern[kind]}" for kind in ("regex", "glob") if kind in pattern]
    if change.kind is Kind.EXCEPTION:
        return f"{', '.join(subject['rules'])} for {text} until {subject['expires']}"
    return text


def _verify_bundle(change: Change, bundle: str) -> None:
    wanted = str(change.subject.get("bundle", ""))
    if bundle != wanted:
        raise ChangeRefusedError(
            f"{change.id} is about bundle {wanted}: the approval must name exactly this hash"
            if wanted
            else f"{change.id} is about no bundle; leave the hash out"
        )


def _losses_of(change: Change, said: Approving) -> str:
    """The hash to record; raises ChangeRefusedError unless what is said is what was assessed."""
    assessment = change.assessment
    if "bundle" not in change.subject:
        return ""
    if assessment is None:
        raise ChangeRefusedError(f"the impact of {change.id} is not known yet; wait for it")
    names = sorted(set(said.losses))
    digest = losses_hash(names) if names else said.losses_hash
    if not digest and assessment.losses_count == 0:
        return assessment.losses_hash
    if digest != assessment.losses_hash:
        raise ChangeRefusedError(_difference(change, names))
    return digest


def _difference(change: Change, names: Sequence[str]) -> str:
    assessment = change.assessment
    count = 0 if assessment is None else assessment.losses_count
    known = () if assessment is None else assessment.losses
    sentence = (
        f"{count} seen would lose protection under {change.id}: the approval must list exactly "
        f"them by name (`gateway change show {change.id}`)"
    )
    if not names:
        return sentence
    if count == len(known):
        if wrong := sorted(set(names) - set(known)):
            return f"{sentence}; not among them: {_some(wrong)}"
        return f"{sentence}; missing: {_some(sorted(set(known) - set(names)))}"
    return f"{sentence}; {len(names)} were listed"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
