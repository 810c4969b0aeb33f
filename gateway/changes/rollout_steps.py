"""The steps of a rollout: stepped, halted, ended, activated."""

from dataclasses import replace

from gateway.changes.records import (
    Record,
    change_of,
    is_somebody_else,
    refuse_unless,
    rollout_of,
    text_of,
    with_change,
)
from gateway.changes.state import (
    WAITING,
    Activation,
    Change,
    Governance,
    Kind,
    Rollout,
    Stage,
)
from gateway.decisions.lanes import ANY, FULL_SHARE_PERMILLE, Step
from gateway.errors import ChangeRefusedError

MAX_STEPS = 200


def stepped(state: Governance, record: Record) -> Governance:
    body = record.body
    steps = tuple(
        Step(text_of(step, "environment"), text_of(step, "region"), int(step["share_permille"]))
        for step in body["steps"]
    )
    index = int(body["step"])
    refuse_unless(0 <= index < len(steps) <= MAX_STEPS, "the step is not one of the steps")
    if state.rollout is None:
        change = change_of(state, record, *WAITING)
        _check_start(state, change, steps, index)
    else:
        change = change_of(state, record, Stage.ROLLING)
        _check_next(state.rollout, change, steps, index)
    subject = change.subject
    rollout = Rollout(
        id=change.id,
        bundle=subject["bundle"],
        revision=subject["revision"],
        version=int(subject["version"]),
        steps=steps,
        step=index,
        stepped_us=record.time_us,
    )
    return replace(with_change(state, replace(change, stage=Stage.ROLLING)), rollout=rollout)


def _check_start(state: Governance, change: Change, steps: tuple[Step, ...], index: int) -> None:
    refuse_unless(index == 0, "a rollout begins with its first step")
    if state.active is None:
        raise ChangeRefusedError("nothing is in force yet")
    if change.kind is Kind.ROLLBACK:
        everywhere = (Step(ANY, ANY, FULL_SHARE_PERMILLE),)
        refuse_unless(steps == everywhere, "a rollback is one step, everywhere")
        return
    refuse_unless(change.kind is Kind.BUNDLE, f"{change.id} is no bundle")
    refuse_unless(change.stage is Stage.APPROVED, f"{change.id} is not approved")
    newer = int(change.subject["version"]) > state.newest_version
    refuse_unless(newer, f"{change.id} is older than what was in force since")


def _check_next(rollout: Rollout, change: Change, steps: tuple[Step, ...], index: int) -> None:
    refuse_unless(rollout.id == change.id, f"{rollout.id} is being rolled out")
    refuse_unless(not rollout.is_halted, f"{rollout.id} is halted")
    refuse_unless(steps == rollout.steps, "the steps of a rollout do not change on the way")
    refuse_unless(index == rollout.step + 1, "no step is left out")


def halted(state: Governance, record: Record) -> Governance:
    rollout = rollout_of(state, record)
    refuse_unless(not rollout.is_halted, f"{rollout.id} is halted already")
    failures = tuple(map(str, record.body["failures"]))
    change = replace(state.changes[rollout.id], stage=Stage.HALTED, detail="; ".join(failures))
    halted = replace(rollout, is_halted=True, failures=failures)
    return replace(with_change(state, change), rollout=halted)


def rollout_ended(state: Governance, record: Record) -> Governance:
    rollout = rollout_of(state, record)
    why = record.body["change"]
    change = state.changes[rollout.id]
    refuse_unless(
        is_somebody_else(change, text_of(why, "user"), text_of(record.body, "key")),
        "ending a rollout gives up its protection: somebody else than its author does that, with "
        "another key",
    )
    change = replace(change, stage=Stage.ENDED, detail=text_of(why, "justification"))
    return replace(with_change(state, change), rollout=None)


def activated(state: Governance, record: Record) -> Governance:
    body = record.body
    refuse_unless(body["activation"] == record.seq, "the number is not the entry's own")
    activation = Activation(
        number=record.seq,
        bundle=text_of(body, "bundle"),
        revision=text_of(body, "revision"),
        version=int(body["version"]),
        floor_note=text_of(body, "floor_note"),
        activated_us=record.time_us,
    )
    if body["id"] is None:
        activation = _own_activation(state, activation)
        after = state
    else:
        after = _completed(state, record, activation)
    return replace(after, active=activation, accepted=(*state.accepted, activation))


def _own_activation(state: Governance, activation: Activation) -> Activation:
    """Without a change: the first of a log, or the same bundle under another floor file, which
    makes it no younger: its maximum age counts from when it came into force."""
    active = state.active
    if active is None:
        return activation
    found = (activation.bundle, activation.revision, activation.version)
    in_force = (active.bundle, active.revision, active.version)
    refuse_unless(found == in_force, "another bundle needs an approved change")
    return replace(activation, activated_us=active.activated_us)


def _completed(state: Governance, record: Record, activation: Activation) -> Governance:
    rollout = rollout_of(state, record)
    change = state.changes[rollout.id]
    refuse_unless(not rollout.is_halted and rollout.is_complete, f"{rollout.id} is not through")
    refuse_unless(change.approval is not None, f"{rollout.id} is not approved")
    found = (activation.bundle, activation.revision, activation.version)
    wanted = (rollout.bundle, rollout.revision, rollout.version)
    refuse_unless(found == wanted, f"it is not the bundle of {rollout.id}")
    same_floor = state.active is not None and activation.floor_note == state.active.floor_note
    refuse_unless(same_floor, "a bundle leaves the floor file as it is")
    after = with_change(state, replace(change, stage=Stage.ACTIVE))
    return replace(_overtaken(after, activation), rollout=None)


def _overtaken(state: Governance, activation: Activation) -> Governance:
    """What waits was assessed, and perhaps approved, against a bundle that is over: what it would
    take away of the new one's protection nobody has seen yet. An older version never comes."""
    newest = max(state.newest_version, activation.version)
    for change in state.changes.values():
        if change.kind is not Kind.BUNDLE or change.stage not in WAITING:
            continue
        if int(change.subject["version"]) <= newest:
            why = f"older than {activation.revision}, which came into force"
            state = with_change(state, replace(change, stage=Stage.REJECTED, detail=why))
        elif change.stage in (Stage.ASSESSED, Stage.APPROVED):
            anew = replace(change, stage=Stage.TESTED, assessment=None, approval=None)
            state = with_change(state, anew)
    return state
