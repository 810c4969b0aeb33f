"""The steps of deeds, which two people let a gateway do once, and of holds, which one person places
at once (docs/formats.md section 15). Nothing under a live hold is purged or erased: asked when the
deed is staged, when it is approved, and when it is done."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from gateway.changes.deed_subjects import (
    Deed,
    EntryPurge,
    Erasure,
    Handover,
    PayloadPurge,
    Release,
    parse_deed,
    parse_hold,
)
from gateway.changes.records import (
    Record,
    change_id,
    change_of,
    is_somebody_else,
    refuse_unless,
    text_of,
    with_change,
)
from gateway.changes.state import WAITING, Change, Governance, Hold, Kind, Stage
from gateway.errors import ChangeRefusedError

_D = TypeVar("_D", bound=Deed)


def check_asked(state: Governance, kind: Kind, subject: Mapping[str, Any]) -> None:
    """Raises ChangeRefusedError unless a deed may be asked for, by anybody."""
    deed = parse_deed(kind, subject)
    _verify_possible(state, deed)
    for other in state.changes.values():
        if other.kind is kind and other.stage in WAITING:
            asked = parse_deed(kind, other.subject)
            refuse_unless(not _is_in_the_way(deed, asked), f"{other.id} asks for it already")


def check_may_be_done(state: Governance, change: Change) -> None:
    """Raises ChangeRefusedError where what was asked for may not be done now."""
    _verify_possible(state, parse_deed(change.kind, change.subject))


def holds_over(state: Governance, change: Change) -> list[Hold]:
    """The live holds that keep what a purge or erasure is about."""
    deed = parse_deed(change.kind, change.subject)
    return [hold for hold in state.holds if deed.is_kept_by(hold)]


def payloads_purged(state: Governance, record: Record) -> Governance:
    change, deed = _approved(state, record, PayloadPurge)
    keys = record.body["month_keys"]
    refuse_unless(tuple(keys) == deed.month_keys, f"{change.id} is about other month keys")
    count = record.body["payloads"]
    refuse_unless(
        type(count) is int and 0 <= count <= deed.payloads,
        f"{change.id} is about at most {deed.payloads} payloads",
    )
    purged = state.purged_months | set(deed.month_keys)
    return _done(replace(state, purged_months=purged), change)


def entries_purged(state: Governance, record: Record) -> Governance:
    change, deed = _approved(state, record, EntryPurge)
    said = (record.body["first"], record.body["last"])
    refuse_unless(said == (deed.first, deed.last), f"{change.id} is about other entries")
    purged = (*state.purged_entries, (deed.first, deed.last))
    return _done(replace(state, purged_entries=purged), change)


def payloads_erased(state: Governance, record: Record) -> Governance:
    change, deed = _approved(state, record, Erasure)
    refuse_unless(
        tuple(record.body["classes"]) == deed.classes
        and text_of(record.body, "request") == deed.request,
        f"{change.id} is about other payloads",
    )
    return _done(state, change)


def hold_placed(state: Governance, record: Record) -> Governance:
    hold = parse_hold(change_id(record.seq), record.body)
    why = record.body["change"]
    change = Change(
        id=hold.id,
        kind=Kind.HOLD,
        author=text_of(why, "user"),
        key=text_of(record.body, "key"),
        subject={name: record.body[name] for name in ("region", "retention_class", "from", "to")},
        justification=text_of(why, "justification"),
        staged_us=record.time_us,
        stage=Stage.ACTIVE,
    )
    refuse_unless(change.justification.strip(), "a justification is required")
    return replace(with_change(state, change), holds=(*state.holds, hold))


def hold_released(state: Governance, record: Record) -> Governance:
    change, deed = _approved(state, record, Release)
    refuse_unless(text_of(record.body, "hold") == deed.hold, f"{change.id} is about another hold")
    held = replace(state.changes[deed.hold], stage=Stage.ENDED, detail=f"released by {change.id}")
    left = tuple(hold for hold in state.holds if hold.id != deed.hold)
    return _done(replace(with_change(state, held), holds=left), change)


def key_handed_over(state: Governance, record: Record) -> Governance:
    change, deed = _approved(state, record, Handover)
    said = (text_of(record.body, "old"), text_of(record.body, "new"))
    refuse_unless(said == (deed.old, deed.new), f"{change.id} is about other keys")
    return _done(replace(state, keys=(*(state.keys or (deed.old,)), deed.new)), change)


def _approved(state: Governance, record: Record, kind: type[_D]) -> tuple[Change, _D]:
    """The change that the entry is the deed of: approved by somebody else, possible, not done."""
    change = change_of(state, record, Stage.APPROVED)
    text_of(record.body["change"], "user")
    approval = change.approval
    if approval is None or not is_somebody_else(change, approval.approver, approval.key):
        raise ChangeRefusedError(f"{change.id} is not approved by a second person")
    deed = parse_deed(change.kind, change.subject)
    if not isinstance(deed, kind):
        raise ChangeRefusedError(f"{change.id} is about something else")
    _verify_possible(state, deed)
    return change, deed


def _done(state: Governance, change: Change) -> Governance:
    return with_change(state, replace(change, stage=Stage.ACTIVE))


def _verify_possible(state: Governance, deed: Deed) -> None:
    for hold in state.holds:
        refuse_unless(not deed.is_kept_by(hold), f"hold {hold.id} keeps it")
    match deed:
        case PayloadPurge():
            gone = sorted(state.purged_months & set(deed.month_keys))
            refuse_unless(not gone, f"{', '.join(gone[:3])}: purged already")
        case EntryPurge():
            for first, last in state.purged_entries:
                refuse_unless(
                    not deed.overlaps(first, last), f"entries {first} to {last} are purged already"
                )
        case Release():
            live = {hold.id for hold in state.holds}
            refuse_unless(deed.hold in live, f"{deed.hold[:40]} is no live hold")
        case Handover():
            newest = state.keys[-1] if state.keys else deed.old
            refuse_unless(deed.old == newest, "the old key is not the log's newest")
            refuse_unless(deed.new not in state.keys, "the new key was the log's before")


def _is_in_the_way(deed: Deed, asked: Deed) -> bool:
    """Whether what is asked for already and waits would be done twice."""
    match deed, asked:
        case PayloadPurge(), PayloadPurge():
            return not set(deed.month_keys).isdisjoint(asked.month_keys)
        case EntryPurge(), EntryPurge():
            return deed.overlaps(asked.first, asked.last)
        case Erasure(), Erasure():
            return not set(deed.classes).isdisjoint(asked.classes)
        case (Release(), Release()) | (Handover(), Handover()):
            return isinstance(deed, Handover) or deed == asked
    return False
