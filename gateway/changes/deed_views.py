"""Deeds, holds and what is due as people see them: JSON-able values, and words."""

from typing import Any

from gateway.changes.deed_port import DuePlan
from gateway.changes.deed_steps import holds_over
from gateway.changes.deed_subjects import (
    Deed,
    EntryPurge,
    Erasure,
    Handover,
    PayloadPurge,
    Release,
    describe_hold,
    parse_deed,
    parse_hold,
    parse_month_key,
)
from gateway.changes.people import name_of
from gateway.changes.state import DEEDS, OVER, WAITING, Change, Governance, Hold, Kind
from gateway.clock import format_time

View = dict[str, Any]


def doer_of(state: Governance, change: Change) -> str:
    """Whom an approved deed waits for."""
    if keeping := holds_over(state, change):
        return f"the release of hold {keeping[0].id}, or somebody to reject it"
    return "a gateway that has the new key" if change.kind is Kind.KEY else "the gateway: to do it"


def deed_view(state: Governance, change: Change) -> View | None:
    """What exactly is done, in lines, and what keeps it from being done."""
    if change.kind not in DEEDS:
        return None
    waits = change.stage not in OVER
    return {
        "does": _lines(state, parse_deed(change.kind, change.subject)),
        "kept_by": [hold.id for hold in holds_over(state, change)] if waits else [],
    }


def _payloads(count: int) -> str:
    return "1 payload" if count == 1 else f"{count:,} payloads"


def _lines(state: Governance, deed: Deed) -> list[str]:
    match deed:
        case PayloadPurge():
            return [
                f"destroys the keys of {_payloads(deed.payloads)}, which go with them: verdicts "
                "stay, what they were about goes",
                *map(_month_line, deed.month_keys),
            ]
        case EntryPurge():
            count = deed.last - deed.first + 1
            return [
                f"deletes entries {deed.first} to {deed.last} ({count:,}) from the database; the "
                "archive has them",
                f"they were made from {deed.from_month} to {deed.to_month}",
            ]
        case Erasure():
            return [
                f"destroys {_payloads(len(deed.classes))} with key and salt, for request "
                f"{deed.request}; nobody brings them back",
                *map(_month_line, deed.months),
            ]
        case Release():
            hold = state.changes[deed.hold]
            what = describe_hold(parse_hold(hold.id, hold.subject))
            return [
                f"ends hold {hold.id} of {name_of(hold.author)}: {what}",
                f"it was placed because: {hold.justification}",
            ]
        case Handover():
            return [f"from {deed.old}", f"to {deed.new}"]


def _month_line(key: str) -> str:
    month = parse_month_key(key)
    return f"{month.month}  {month.region}  {month.retention_class}"


def holds_view(state: Governance) -> View:
    """Live holds, by id, each with the change that asks for its end."""
    return {"holds": [_hold(state, one) for one in state.holds]}


def due_view(state: Governance, due: DuePlan) -> View:
    """What retention lets go, each with the live holds that keep it."""
    return {
        "months": [
            {
                "key": one.key,
                "region": one.month.region,
                "retention_class": one.month.retention_class,
                "month": one.month.month,
                "payloads": one.payloads,
                "kept_by": [hold.id for hold in state.holds if hold.keeps(one.month)],
            }
            for one in due.months
        ],
        "entries": [
            {
                "first": one.first,
                "last": one.last,
                "from": one.from_month,
                "to": one.to_month,
                "kept_by": [
                    hold.id for hold in state.holds if hold.keeps_span(one.from_month, one.to_month)
                ],
            }
            for one in due.entries
        ],
    }


def _hold(state: Governance, hold: Hold) -> View:
    placed = state.changes[hold.id]
    asked = [
        change.id
        for change in state.changes.values()
        if change.kind is Kind.RELEASE
        and change.stage in WAITING
        and change.subject["hold"] == hold.id
    ]
    return {
        "id": hold.id,
        "region": hold.region,
        "retention_class": hold.retention_class,
        "from": hold.from_month,
        "to": hold.to_month,
        "author": placed.author,
        "placed": format_time(placed.staged_us),
        "justification": placed.justification,
        "release": asked[0] if asked else "",
    }
