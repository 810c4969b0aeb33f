"""The steps of protections, which hold at once, and of exceptions, which end by themselves."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.changes.records import (
    Record,
    change_id,
    change_of,
    is_somebody_else,
    refuse_unless,
    text_of,
    with_change,
)
from gateway.changes.state import Change, ExceptionGrant, Governance, Kind, Protection, Stage
from gateway.clock import parse_time
from gateway.errors import ChangeRefusedError


def protection_added(state: Governance, record: Record) -> Governance:
    row = {name: text_of(record.body["row"], name) for name in record.body["row"]}
    refuse_unless(len({"regex", "glob"} & row.keys()) == 1, "a row has either regex or glob")
    why = record.body["change"]
    change = Change(
        id=change_id(record.seq),
        kind=Kind.PROTECTION,
        author=text_of(why, "user"),
        key=text_of(record.body, "key"),
        subject=row,
        justification=text_of(why, "justification"),
        staged_us=record.time_us,
        stage=Stage.STANDING,
    )
    refuse_unless(change.justification.strip(), "a reason is required")
    protections = (*state.protections, Protection(change.id, MappingProxyType(row)))
    return replace(with_change(state, change), protections=protections)


def protection_removed(state: Governance, record: Record) -> Governance:
    change = change_of(state, record, Stage.STANDING)
    why = record.body["change"]
    refuse_unless(
        is_somebody_else(change, text_of(why, "user"), text_of(record.body, "key")),
        "a protection is rejected by somebody else than its author, with another key",
    )
    change = replace(change, stage=Stage.REJECTED, detail=text_of(why, "justification"))
    kept = tuple(one for one in state.protections if one.id != change.id)
    return replace(with_change(state, change), protections=kept)


def exception_granted(state: Governance, record: Record) -> Governance:
    change = change_of(state, record, Stage.APPROVED)
    if change.kind is not Kind.EXCEPTION or change.approval is None:
        raise ChangeRefusedError(f"{change.id} is no approved exception")
    grant = grant_of(change.id, change.subject, change.approval.approver)
    refuse_unless(record.time_us < grant.expires_us, f"{change.id} is over already")
    state = replace(state, exceptions=(*state.exceptions, grant))
    return with_change(state, replace(change, stage=Stage.ACTIVE))


def exception_ended(state: Governance, record: Record) -> Governance:
    ended = text_of(record.body, "id")
    live = tuple(one for one in state.exceptions if one.id != ended)
    refuse_unless(len(live) < len(state.exceptions), f"{ended} is no live exception")
    cause = text_of(record.body, "cause")
    change = replace(state.changes[ended], stage=Stage.ENDED, detail=cause)
    return replace(with_change(state, change), exceptions=live)


def grant_of(grant_id: str, subject: Mapping[str, Any], approver: str) -> ExceptionGrant:
    pattern = {name: text_of(subject["pattern"], name) for name in subject["pattern"]}
    refuse_unless(
        len(pattern) == 1 and {"regex", "glob"} & pattern.keys(),
        "the pattern is either a regex or a glob",
    )
    return ExceptionGrant(
        id=grant_id,
        rules=tuple(map(str, subject["rules"])),
        pattern=MappingProxyType(pattern),
        environment=text_of(subject, "environment"),
        region=text_of(subject, "region"),
        reason=text_of(subject, "reason"),
        approver=approver,
        expires_us=parse_time(text_of(subject, "expires")),
    )
