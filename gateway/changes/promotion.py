"""The entries by which a candidate advances, stops, or comes into force: one for each automatic act
of a rollout. Each cites the approval of the change that it is for."""

from collections.abc import Mapping, Sequence

from gateway import canonical
from gateway.changes.journal import JournalDraft
from gateway.changes.state import Activation, Change, ExceptionGrant, Governance, Kind, Rollout
from gateway.clock import format_time
from gateway.decisions.lanes import Step

Gate = Mapping[str, canonical.Value] | None


def next_to_roll_out(state: Governance) -> list[Change]:
    """Approved bundles newer than everything that was in force, lowest version first; none while
    another is on its way."""
    if state.rollout is not None or state.active is None:
        return []
    approved = [
        change
        for change in state.changes.values()
        if change.kind is Kind.BUNDLE
        and change.stage == "approved"
        and int(change.subject["version"]) > state.newest_version
    ]
    return sorted(approved, key=lambda change: int(change.subject["version"]))


def start_draft(
    state: Governance, change: Change, steps: Sequence[Step], actor: str
) -> JournalDraft:
    """The first step of a rollout."""
    before = state.active.revision if state.active else ""
    why = gateway_fields(change, actor, "rollout.step", before, _where(steps, 0))
    return _stepped(change.id, steps, 0, None, why)


def step_draft(change: Change, rollout: Rollout, gate: Gate, actor: str) -> JournalDraft:
    """The step after the one that holds."""
    at, steps = rollout.step, rollout.steps
    why = gateway_fields(change, actor, "rollout.step", _where(steps, at), _where(steps, at + 1))
    return _stepped(change.id, steps, at + 1, gate, why)


def halt_draft(
    change: Change, rollout: Rollout, gate: Gate, failures: Sequence[str], actor: str
) -> JournalDraft:
    """The rollout stops where it is: everybody keeps the protection of both that it has."""
    why = gateway_fields(
        change, actor, "rollout.halt", _where(rollout.steps, rollout.step), "halted"
    )
    body: dict[str, canonical.Value] = {
        "change": why,
        "failures": [*failures],
        "gate": dict(gate) if gate is not None else None,
        "id": change.id,
        "step": rollout.step,
    }
    return JournalDraft("rollout.halted", lambda seq: body)


def activation_draft(
    active: Activation, change: Change, rollout: Rollout, gate: Gate, actor: str
) -> JournalDraft:
    """The candidate comes into force, under the floor file that stands."""
    floor_note = active.floor_note
    why = gateway_fields(
        change,
        actor,
        "bundle.rollback" if change.kind is Kind.ROLLBACK else "bundle.activate",
        f"{active.revision} floor {floor_note}",
        f"{rollout.revision} floor {floor_note}",
    )
    body: dict[str, canonical.Value] = {
        "bundle": rollout.bundle,
        "change": why,
        "floor_note": floor_note,
        "gate": dict(gate) if gate is not None else None,
        "id": change.id,
        "revision": rollout.revision,
        "version": rollout.version,
    }
    return JournalDraft("bundle.activated", lambda seq: {**body, "activation": seq})


def expiry_draft(change: Change, grant: ExceptionGrant, actor: str) -> JournalDraft:
    """An exception ends by the clock."""
    expires = format_time(grant.expires_us)
    body: dict[str, canonical.Value] = {
        "cause": "expired",
        "change": gateway_fields(change, actor, "exception.expire", f"until {expires}", "ended"),
        "id": grant.id,
    }
    return JournalDraft("exception.ended", lambda seq: body)


def _stepped(
    change_id: str,
    steps: Sequence[Step],
    index: int,
    gate: Gate,
    why: dict[str, canonical.Value],
) -> JournalDraft:
    body: dict[str, canonical.Value] = {
        "change": why,
        "gate": dict(gate) if gate is not None else None,
        "id": change_id,
        "step": index,
        "steps": [
            {
                "environment": step.environment,
                "region": step.region,
                "share_permille": step.share_permille,
            }
            for step in steps
        ],
    }
    return JournalDraft("rollout.stepped", lambda seq: body)


def _where(steps: Sequence[Step], index: int) -> str:
    step = steps[index]
    return (
        f"step {index + 1} of {len(steps)}: {step.environment}/{step.region} "
        f"{step.share_permille} permille"
    )


def gateway_fields(
    change: Change, actor: str, change_type: str, before: str, after: str
) -> dict[str, canonical.Value]:
    """The member `change`: the gateway acts, on the approval's word; before there is one, on the
    author's."""
    approval = change.approval
    return {
        "approval_id": approval.approval_id if approval else "",
        "change_type": change_type,
        "justification": approval.justification if approval else change.justification,
        "new_value": after,
        "previous_value": before,
        "user": actor,
    }
