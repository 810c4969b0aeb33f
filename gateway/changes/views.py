"""Changes as people see them: JSON-able values with a title and what each waits for."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.changes import deed_views
from gateway.changes.deed_subjects import describe_deed, describe_hold, parse_deed, parse_hold
from gateway.changes.people import name_of
from gateway.changes.state import (
    DEEDS,
    OVER,
    Assessment,
    Change,
    ExceptionGrant,
    Governance,
    Kind,
    Rollout,
    Stage,
)
from gateway.clock import format_time

View = dict[str, Any]

MAX_LISTED = 500


def list_view(state: Governance, *, with_past: bool) -> View:
    """What is in force, and the changes: those that are not over, or all, the newest first."""
    found = [one for one in state.changes.values() if with_past or one.stage not in OVER]
    newest = list(reversed(found))[:MAX_LISTED]
    return {
        "activation": state.activation,
        "active": _active(state),
        "changes": [summary(state, change) for change in newest],
        "left_out": len(found) - len(newest),
    }


def summary(state: Governance, change: Change) -> View:
    """One line of the list."""
    return {
        "id": change.id,
        "kind": str(change.kind),
        "stage": str(change.stage),
        "title": title_of(change),
        "author": change.author,
        "staged": format_time(change.staged_us),
        "waits_for": waits_for(state, change),
    }


def change_view(state: Governance, change: Change, losses: Sequence[str]) -> View:
    """The whole of a change. `losses` are all names, as the impact report has them."""
    rollout = state.rollout if state.rollout and state.rollout.id == change.id else None
    return {
        **summary(state, change),
        "justification": change.justification,
        "detail": change.detail,
        "subject": _plain(change.subject),
        "active": _active(state),
        "impact": _impact(change.assessment, losses),
        "approval": _approval(change),
        "deed": deed_views.deed_view(state, change),
        "rollout": _rollout(rollout),
    }


def exceptions_view(state: Governance) -> View:
    """Live exceptions, by id."""
    return {"exceptions": [_exception(state, one) for one in state.exceptions]}


def title_of(change: Change) -> str:
    """What the change is about, in a few words."""
    subject = change.subject
    match change.kind:
        case Kind.BUNDLE:
            return str(subject["revision"])
        case Kind.ROLLBACK:
            return f"back to {subject['revision']}"
        case Kind.EXCEPTION:
            text = _pattern(subject["pattern"])
            until = str(subject["expires"])[:16].replace("T", " ")
            return f"{', '.join(subject['rules'])} for {text} until {until}"
        case Kind.PROTECTION:
            return _pattern(subject)
        case Kind.HOLD:
            return describe_hold(parse_hold(change.id, subject))
        case Kind.PURGE | Kind.ERASURE | Kind.RELEASE | Kind.KEY:
            return describe_deed(parse_deed(change.kind, subject))


def waits_for(state: Governance, change: Change) -> str:
    """Who may do what next; empty when it is over."""
    somebody = f"an approver who is not {name_of(change.author)}"
    rollout = state.rollout
    match change.stage:
        case Stage.STANDING:
            return f"{somebody} (it holds already)"
        case Stage.HALTED:
            return f"{somebody} to end it with reject"
        case Stage.STAGED if change.kind is Kind.BUNDLE:
            return "the gateway: its tests"
        case Stage.TESTED:
            return "the gateway: its impact"
        case Stage.ASSESSED:
            return somebody
        case Stage.STAGED if change.kind is Kind.EXCEPTION or change.kind in DEEDS:
            return somebody
        case Stage.APPROVED if change.kind in DEEDS:
            return deed_views.doer_of(state, change)
        case Stage.APPROVED:
            return "the gateway: its rollout"
        case Stage.ROLLING if change.approval is None:
            return somebody if change.assessment else "the gateway: its impact"
        case Stage.ROLLING if rollout is not None:
            return f"the gateway: step {rollout.step + 1} of {len(rollout.steps)}"
    return ""


def report_losses(change: Change, report: bytes | None) -> list[str]:
    """The names of all losses in the stored report; those in the log where the report is not what
    the log names."""
    assessment = change.assessment
    if assessment is None:
        return []
    if report is None or hashlib.sha256(report).hexdigest() != assessment.report:
        return list(assessment.losses)
    try:
        value = json.loads(report)
        return [str(loss["name"]) for loss in value["losses"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return list(assessment.losses)


def _active(state: Governance) -> View | None:
    active = state.active
    if active is None:
        return None
    return {
        "activation": active.number,
        "bundle": active.bundle,
        "revision": active.revision,
        "since": format_time(active.activated_us),
    }


def _impact(assessment: Assessment | None, losses: Sequence[str]) -> View | None:
    if assessment is None:
        return None
    return {
        "report": assessment.report,
        "classes": assessment.classes,
        "verdicts": assessment.verdicts,
        "more": assessment.more,
        "less": assessment.less,
        "losses": list(losses),
        "losses_hash": assessment.losses_hash,
        "losses_count": assessment.losses_count,
    }


def _approval(change: Change) -> View | None:
    approval = change.approval
    if approval is None:
        return None
    return {
        "approver": approval.approver,
        "approval_id": approval.approval_id,
        "justification": approval.justification,
        "at": format_time(approval.at_us),
    }


def _rollout(rollout: Rollout | None) -> View | None:
    if rollout is None:
        return None
    return {
        "step": rollout.step,
        "steps": [
            {
                "environment": step.environment,
                "region": step.region,
                "share_permille": step.share_permille,
            }
            for step in rollout.steps
        ],
        "stepped": format_time(rollout.stepped_us),
        "is_halted": rollout.is_halted,
        "failures": list(rollout.failures),
    }


def _exception(state: Governance, grant: ExceptionGrant) -> View:
    return {
        "id": grant.id,
        "rules": list(grant.rules),
        "pattern": dict(grant.pattern),
        "environment": grant.environment,
        "region": grant.region,
        "reason": grant.reason,
        "author": state.changes[grant.id].author,
        "approver": grant.approver,
        "expires": format_time(grant.expires_us),
    }


def _pattern(holder: Mapping[str, Any]) -> str:
    return next(f"{kind} {holder[kind]}" for kind in ("regex", "glob") if kind in holder)


def _plain(subject: Mapping[str, Any]) -> View:
    return {name: dict(v) if isinstance(v, Mapping) else v for name, v in subject.items()}
