"""Protections, which hold at once, and exceptions, which somebody asks for and somebody grants."""

from gateway import canonical
from gateway.changes.journal import JournalDraft
from gateway.changes.people import Person, Reasons, change_fields
from gateway.changes.scope import ExceptionWish, ProtectionWish
from gateway.changes.state import Change, ExceptionGrant, Governance, Kind, Stage
from gateway.errors import ChangeRefusedError, ConflictError


def standing_protection(state: Governance, wish: ProtectionWish) -> Change | None:
    """The live protection that is just this one."""
    for protection in state.protections:
        if wish.is_of(protection.row):
            return state.changes[protection.id]
    return None


def protection_drafts(
    state: Governance, person: Person, wish: ProtectionWish, reasons: Reasons
) -> list[JournalDraft]:
    """Nothing where it is protected just so already, by whomever."""
    if standing_protection(state, wish) is not None:
        return []
    change = change_fields(person, "protection.add", "", f"{wish.kind}: {wish.text}", reasons)
    return [
        JournalDraft(
            "protection.added",
            lambda seq: {"change": change, "key": person.key, "row": wish.row(f"protect-{seq}")},
        )
    ]


def standing_request(state: Governance, wish: ExceptionWish) -> Change | None:
    """The exception for just this that is asked for or live."""
    for change in reversed(list(state.changes.values())):
        if change.kind is not Kind.EXCEPTION:
            continue
        if change.stage in (Stage.STAGED, Stage.ACTIVE) and wish.is_of(change.subject):
            return change
    return None


def exception_drafts(
    state: Governance, person: Person, wish: ExceptionWish, expires: str, reasons: Reasons
) -> list[JournalDraft]:
    """Nothing where the same person asked for the same already. Raises ConflictError where somebody
    else did, or where it is live."""
    standing = standing_request(state, wish)
    if standing is not None:
        if standing.author == person.uri and standing.stage is Stage.STAGED:
            return []
        raise ConflictError(f"{standing.id} is for the same and is {standing.stage}")
    change = change_fields(person, "exception.request", "", describe_exception(wish), reasons)
    body: dict[str, canonical.Value] = {
        "change": change,
        "key": person.key,
        "kind": str(Kind.EXCEPTION),
        "subject": wish.subject(expires),
    }
    return [JournalDraft("change.staged", lambda seq: body)]


def revoke_drafts(
    state: Governance, person: Person, exception_id: str, reasons: Reasons
) -> list[JournalDraft]:
    """Ends a live exception now. Raises ChangeRefusedError."""
    grant = live_exception(state, exception_id)
    change = change_fields(person, "exception.revoke", "live", "ended", reasons)
    body: dict[str, canonical.Value] = {"cause": "revoked", "change": change, "id": grant.id}
    return [JournalDraft("exception.ended", lambda seq: body)]


def live_exception(state: Governance, exception_id: str) -> ExceptionGrant:
    """Raises ChangeRefusedError that says what became of the one named."""
    for grant in state.exceptions:
        if grant.id == exception_id:
            return grant
    change = state.changes.get(exception_id)
    if change is None or change.kind is not Kind.EXCEPTION:
        raise ChangeRefusedError(f"there is no exception {exception_id}")
    if change.stage is Stage.STAGED:
        raise ChangeRefusedError(f"{exception_id} is not granted yet; an approver rejects it")
    raise ChangeRefusedError(f"{exception_id} is {change.stage} already ({change.detail})")


def describe_exception(wish: ExceptionWish) -> str:
    """The whole of what it is for, in a line."""
    where = "/".join(part or "any" for part in (wish.environment, wish.region))
    return f"{', '.join(wish.rules)} for {wish.kind} {wish.text} in {where}, {wish.hours} h"
