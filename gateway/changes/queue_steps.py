"""The steps of the change queue: staged, tested, assessed, approved, rejected."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.changes.deed_steps import check_asked, check_may_be_done
from gateway.changes.exception_steps import grant_of
from gateway.changes.records import (
    Record,
    change_id,
    change_of,
    is_somebody_else,
    refuse_unless,
    text_of,
    with_change,
)
from gateway.changes.state import (
    DEEDS,
    WAITING,
    Approval,
    Assessment,
    Change,
    Governance,
    Kind,
    Stage,
)
from gateway.errors import ChangeRefusedError

MAX_EXCEPTION_US = 30 * 86_400_000_000


def staged(state: Governance, record: Record) -> Governance:
    kind = Kind(record.body["kind"])
    subject = record.body["subject"]
    _STAGED[kind](state, record, subject)
    change = Change(
        id=change_id(record.seq),
        kind=kind,
        author=text_of(record.body["change"], "user"),
        key=text_of(record.body, "key"),
        subject=subject,
        justification=text_of(record.body["change"], "justification"),
        staged_us=record.time_us,
        stage=Stage.STAGED,
    )
    refuse_unless(change.justification.strip(), "a justification is required")
    return with_change(state, change)


def _check_staged_bundle(state: Governance, record: Record, subject: Mapping[str, Any]) -> None:
    for name in ("bundle", "revision", "signer"):
        text_of(subject, name)
    newest = state.newest_version
    refuse_unless(
        int(subject["version"]) > newest,
        f"version {subject['version']} is not newer than {newest}, the newest that was in force; "
        "raise metadata.version in .manifest, or go back with a rollback",
    )


def _check_staged_rollback(state: Governance, record: Record, subject: Mapping[str, Any]) -> None:
    refuse_unless(state.active is not None, "nothing is in force yet")
    known = {one.bundle for one in state.accepted}
    refuse_unless(subject["bundle"] in known, "this bundle was never in force; stage it instead")
    active = state.active.bundle if state.active else ""
    refuse_unless(subject["bundle"] != active, "this bundle is in force already")


def _check_staged_exception(state: Governance, record: Record, subject: Mapping[str, Any]) -> None:
    grant = grant_of("", subject, "")
    refuse_unless(grant.rules, "an exception names the rules that it is from")
    refuse_unless(
        record.time_us < grant.expires_us <= record.time_us + MAX_EXCEPTION_US,
        "an exception ends within 30 days",
    )


def _refuse_staged_protection(
    state: Governance, record: Record, subject: Mapping[str, Any]
) -> None:
    raise ChangeRefusedError("a protection is not staged: it holds at once")


def _check_staged_deed(state: Governance, record: Record, subject: Mapping[str, Any]) -> None:
    check_asked(state, Kind(record.body["kind"]), subject)


def _refuse_staged_hold(state: Governance, record: Record, subject: Mapping[str, Any]) -> None:
    raise ChangeRefusedError("a hold is not staged: it holds at once")


def tested(state: Governance, record: Record) -> Governance:
    change = change_of(state, record, Stage.STAGED)
    refuse_unless(change.kind is Kind.BUNDLE, f"{change.id} is no new bundle, so it has no tests")
    detail = text_of(record.body, "detail")
    passed = record.body["passed"] is True
    return with_change(
        state, replace(change, stage=Stage.TESTED if passed else Stage.REJECTED, detail=detail)
    )


def assessed(state: Governance, record: Record) -> Governance:
    change = change_of(state, record, Stage.TESTED, Stage.STAGED, Stage.ROLLING)
    refuse_unless("bundle" in change.subject, f"{change.id} is about no bundle")
    if change.kind is Kind.BUNDLE and change.stage is not Stage.TESTED:
        raise ChangeRefusedError(f"{change.id} was not tested")
    refuse_unless(change.approval is None, f"{change.id} is approved already, on another impact")
    body = record.body
    assessment = Assessment(
        report=text_of(body, "report"),
        classes=int(body["classes"]),
        verdicts=int(body["verdicts"]),
        more=int(body["more"]),
        less=int(body["less"]),
        losses=tuple(map(str, body["losses"])),
        losses_hash=text_of(body, "losses_hash"),
        losses_count=int(body["losses_count"]),
    )
    stage = Stage.ROLLING if change.stage is Stage.ROLLING else Stage.ASSESSED
    return with_change(state, replace(change, stage=stage, assessment=assessment))


def approved(state: Governance, record: Record) -> Governance:
    change = change_of(state, record, *_APPROVABLE[kind_of(state, record)])
    why = record.body["change"]
    approval = Approval(
        approver=text_of(why, "user"),
        key=text_of(record.body, "key"),
        approval_id=text_of(why, "approval_id"),
        justification=text_of(why, "justification"),
        at_us=record.time_us,
    )
    refuse_unless(approval.justification.strip(), "a justification is required")
    refuse_unless(approval.approval_id.strip(), "an approval id is required")
    refuse_unless(
        is_somebody_else(change, approval.approver, approval.key),
        f"{change.id} must be approved by somebody else than its author, with another key",
    )
    refuse_unless(
        approval.key != change.subject.get("signer"),
        f"{change.id} must be approved with another key than the one that signed its bundle",
    )
    refuse_unless(change.approval is None, f"{change.id} is approved already")
    if change.kind in (Kind.BUNDLE, Kind.ROLLBACK):
        _check_bundle_approval(change, record.body)
    if change.kind in DEEDS:
        check_may_be_done(state, change)
    if change.kind is Kind.PROTECTION:
        kept = tuple(
            replace(one, is_confirmed=True) if one.id == change.id else one
            for one in state.protections
        )
        state = replace(state, protections=kept)
        return with_change(state, replace(change, stage=Stage.ACTIVE, approval=approval))
    stage = Stage.APPROVED if change.stage in WAITING else change.stage
    return with_change(state, replace(change, stage=stage, approval=approval))


def _check_bundle_approval(change: Change, body: Mapping[str, Any]) -> None:
    refuse_unless(
        body["bundle"] == change.subject["bundle"],
        f"the approval names another bundle than {change.id} stages",
    )
    assessment = change.assessment
    if assessment is None:
        raise ChangeRefusedError(f"the impact of {change.id} is not known yet")
    if assessment.losses_count:
        refuse_unless(
            body["losses_hash"] == assessment.losses_hash,
            f"{assessment.losses_count} seen would lose protection under {change.id}: the approval "
            "must list them by name",
        )


def rejected(state: Governance, record: Record) -> Governance:
    change = change_of(state, record, *WAITING)
    why = text_of(record.body["change"], "justification")
    return with_change(state, replace(change, stage=Stage.REJECTED, detail=why))


def kind_of(state: Governance, record: Record) -> Kind:
    return change_of(state, record, *Stage).kind


_APPROVABLE: Mapping[Kind, tuple[Stage, ...]] = {
    Kind.BUNDLE: (Stage.ASSESSED,),
    Kind.ROLLBACK: (Stage.ASSESSED, Stage.ROLLING),
    Kind.EXCEPTION: (Stage.STAGED,),
    Kind.PROTECTION: (Stage.STANDING,),
    Kind.HOLD: (),
    **dict.fromkeys(DEEDS, (Stage.STAGED,)),
}


_STAGED: Mapping[Kind, Callable[[Governance, Record, Mapping[str, Any]], None]] = {
    Kind.BUNDLE: _check_staged_bundle,
    Kind.ROLLBACK: _check_staged_rollback,
    Kind.EXCEPTION: _check_staged_exception,
    Kind.PROTECTION: _refuse_staged_protection,
    Kind.HOLD: _refuse_staged_hold,
    **dict.fromkeys(DEEDS, _check_staged_deed),
}
