"""The fold: which entry may stand where. What it refuses is refused of writers and of a stored log
alike, so these write entries that no service of ours would."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.changes.governance import apply, fold
from gateway.changes.people import Person
from gateway.changes.records import Record
from gateway.changes.scope import parse_exception, parse_protection
from gateway.changes.state import Governance, Stage
from gateway.errors import ChangeRefusedError
from gateway.transparency.journal_types import JOURNAL_TYPES, SERVING_TYPES
from tests.fakes import live_log
from tests.fakes.changes import (
    ANN,
    BOB,
    CY,
    Queue,
    act,
    activation,
    archive_of,
    assessment,
    everywhere,
    opened,
    person,
)

Story = Callable[[Queue], Awaitable[None]]
STEPS = [everywhere(200), everywhere()]
HASH = "0" * 64


def play(story: Story) -> None:
    async def run() -> None:
        queue = Queue()
        await queue.begin()
        await story(queue)
        assert await queue.folded() == queue.state

    asyncio.run(run())


async def refused(queue: Queue, why: str, type: str, **body: Any) -> None:
    """The entry may not stand now, and the state is as it was."""
    before = await queue.journal.refresh()
    with pytest.raises(ChangeRefusedError, match=why):
        await queue.note(type, **body)
    assert await queue.journal.refresh() == before


def word(who: Person = BOB, **more: Any) -> dict[str, Any]:
    """The members of a person's entry."""
    return {"key": who.key, "change": act("test", who.uri), **more}


async def assessed(queue: Queue, version: int = 2) -> str:
    id = await queue.stage(version)
    await queue.test(id)
    await queue.assess(id)
    return id


async def rolling(queue: Queue, version: int = 2) -> str:
    id = await assessed(queue, version)
    await queue.approve(id)
    await queue.step(id, 0, STEPS)
    return id


def step(id: str, number: int, steps: Any = STEPS) -> dict[str, Any]:
    return {"id": id, "step": number, "steps": steps, "gate": None, "change": act("step")}


def halt(id: str) -> dict[str, Any]:
    return {"id": id, "step": 0, "gate": {}, "failures": ["slow"], "change": act("halt")}


def completion(queue: Queue, id: str, **more: Any) -> dict[str, Any]:
    subject = queue.state.changes[id].subject
    names = ("bundle", "revision", "version")
    body = {name: subject[name] for name in names}
    return {"id": id, "floor_note": "", "change": act("bundle.activate"), **body, **more}


def test_no_step_follows_a_halt_and_no_activation() -> None:
    async def story(queue: Queue) -> None:
        id = await rolling(queue)
        await queue.note("rollout.halted", **halt(id))
        assert queue.state.changes[id].detail == "slow"
        await refused(queue, "is halted", "rollout.stepped", **step(id, 1))
        await refused(queue, "halted already", "rollout.halted", **halt(id))

    play(story)


def test_a_rollout_that_was_halted_at_its_last_step_is_not_activated() -> None:
    async def story(queue: Queue) -> None:
        id = await rolling(queue)
        await queue.step(id, 1, STEPS)
        await queue.note("rollout.halted", **halt(id))
        await refused(queue, "is not through", "bundle.activated", **completion(queue, id))

    play(story)


def test_steps_are_those_that_it_began_with_and_in_order() -> None:
    async def story(queue: Queue) -> None:
        id = await assessed(queue)
        await refused(queue, "is not approved", "rollout.stepped", **step(id, 0))
        await queue.approve(id)
        await refused(queue, "begins with its first", "rollout.stepped", **step(id, 1))
        await refused(queue, "not one of the steps", "rollout.stepped", **step(id, 0, []))
        many = [everywhere()] * 201
        await refused(queue, "not one of the steps", "rollout.stepped", **step(id, 0, many))
        steps = [everywhere(100), *STEPS]
        await queue.step(id, 0, steps)
        await refused(queue, "no step is left out", "rollout.stepped", **step(id, 2, steps))
        await refused(queue, "no step is left out", "rollout.stepped", **step(id, 0, steps))
        await refused(queue, "do not change", "rollout.stepped", **step(id, 1))
        await refused(queue, "is not through", "bundle.activated", **completion(queue, id))

    play(story)


def test_one_rollout_at_a_time() -> None:
    async def story(queue: Queue) -> None:
        other = await assessed(queue, 3)
        await queue.approve(other)
        id = await rolling(queue)
        await refused(queue, "approved", "rollout.stepped", **step(other, 0))
        await refused(queue, "not being rolled out", "rollout.halted", **halt(other))
        await refused(queue, "not being", "bundle.activated", **completion(queue, other))
        assert queue.state.rollout is not None
        assert queue.state.rollout.id == id

    play(story)


def test_an_approved_bundle_that_is_old_by_now_is_not_rolled_out() -> None:
    async def story(queue: Queue) -> None:
        old = await assessed(queue, 2)
        await queue.approve(old)
        await queue.bring_in_force(3)
        await refused(queue, "is rejected", "rollout.stepped", **step(old, 0))
        back = str((await queue.service.rollback(ANN, "", "wrong"))["id"])
        await queue.assess(back)
        await queue.approve(back)
        await queue.activate(back)
        assert queue.state.active is not None
        assert queue.state.active.version == 1
        await refused(queue, "is rejected", "rollout.stepped", **step(old, 0))

    play(story)


def test_an_activation_is_of_exactly_the_bundle_that_was_approved() -> None:
    async def story(queue: Queue) -> None:
        id = await rolling(queue)
        await queue.step(id, 1, STEPS)
        for more in ({"bundle": HASH}, {"revision": "9-1"}, {"version": 9}):
            body = completion(queue, id, **more)
            await refused(queue, "not the bundle of", "bundle.activated", **body)
        body = completion(queue, id, floor_note=HASH)
        await refused(queue, "leaves the floor file", "bundle.activated", **body)
        await queue.activate(id)
        await refused(queue, "not being rolled out", "bundle.activated", **completion(queue, id))

    play(story)


def test_without_a_change_only_the_floor_file_changes() -> None:
    async def story(queue: Queue) -> None:
        other = activation(opened(archive_of(2)))
        await refused(queue, "needs an approved change", "bundle.activated", **other)
        same = activation(opened(archive_of(1)))
        await refused(
            queue, "needs an approved change", "bundle.activated", **{**same, "version": 9}
        )
        state = await queue.note("bundle.activated", **{**same, "floor_note": HASH})
        assert state.active is not None
        assert state.active.floor_note == HASH

    play(story)


def test_another_floor_file_makes_the_bundle_no_younger() -> None:
    async def story(queue: Queue) -> None:
        first = queue.state.active
        queue.clock.advance(86_400)
        same = activation(opened(archive_of(1)))
        state = await queue.note("bundle.activated", **{**same, "floor_note": HASH})
        assert first is not None
        assert state.active is not None
        assert state.active.number > first.number
        assert state.active.activated_us == first.activated_us

    play(story)


def test_what_waits_is_assessed_and_approved_anew_when_another_bundle_comes_into_force() -> None:
    async def story(queue: Queue) -> None:
        third = await assessed(queue, 3)
        fourth = await assessed(queue, 4)
        await queue.approve(fourth)
        await queue.bring_in_force(2)
        with pytest.raises(ChangeRefusedError, match="is not known yet"):
            await queue.approve(third)
        await refused(queue, "is not approved", "rollout.stepped", **step(fourth, 0))
        for id in (third, fourth):
            change = queue.state.changes[id]
            assert (change.stage, change.assessment, change.approval) == (Stage.TESTED, None, None)
        await queue.assess(fourth)
        await queue.approve(fourth, CY)
        await queue.step(fourth, 0, STEPS)

    play(story)


def test_an_activation_has_its_own_number() -> None:
    body = {**activation(opened(archive_of(1))), "activation": 7, "prior": None}
    with pytest.raises(ChangeRefusedError, match="not the entry's own"):
        apply(Governance(), Record(8, 0, "bundle.activated", "", body))


def test_a_rollback_is_one_step_everywhere_to_what_was_in_force() -> None:
    async def story(queue: Queue) -> None:
        first = queue.state.active
        assert first is not None
        await queue.bring_in_force(2)
        staged: dict[str, Any] = {
            "kind": "rollback",
            **word(ANN),
            "subject": {"bundle": HASH, "revision": "", "version": 1, "signer": ""},
        }
        await refused(queue, "never in force", "change.staged", **staged)
        staged["subject"]["bundle"] = queue.state.active.bundle if queue.state.active else ""
        await refused(queue, "in force already", "change.staged", **staged)
        staged["subject"] = {
            "bundle": first.bundle,
            "revision": first.revision,
            "version": 1,
            "signer": "",
        }
        state = await queue.note("change.staged", **staged)
        id = f"c{state.journal}"
        await refused(queue, "one step, everywhere", "rollout.stepped", **step(id, 0))
        await queue.step(id, 0, [everywhere()])
        await refused(queue, "is not approved", "bundle.activated", **completion(queue, id))

    play(story)


def test_an_approval_stands_for_the_impact_that_it_was_given_on() -> None:
    async def story(queue: Queue) -> None:
        await queue.bring_in_force(2)
        id = str((await queue.service.rollback(ANN, "", "wrong"))["id"])
        await queue.assess(id)
        await queue.approve(id)
        other = assessment(id, HASH, ("a@prod/eu X/1",))
        await refused(queue, "approved already", "change.assessed", **other)

    play(story)


def test_only_new_bundles_are_tested_and_only_bundles_assessed() -> None:
    async def story(queue: Queue) -> None:
        wish = parse_exception(["SOFT/1"], "glob", "batch", "", "", 1, "full disks")
        asked = str((await queue.service.request_exception(ANN, wish))["id"])
        for passed in (True, False):
            body = {"id": asked, "passed": passed, "detail": ""}
            await refused(queue, "no tests", "change.tested", **body)
        await refused(queue, "no bundle", "change.assessed", **assessment(asked, HASH, ()))
        id = await queue.stage()
        await refused(queue, "was not tested", "change.assessed", **assessment(id, HASH, ()))

    play(story)


def test_failed_tests_reject() -> None:
    async def story(queue: Queue) -> None:
        id = await queue.stage()
        state = await queue.test(id, passed=False)
        assert (state.changes[id].stage, state.changes[id].detail) == (Stage.REJECTED, "3 tests")

    play(story)


def test_an_exception_is_granted_after_its_approval_and_for_thirty_days_at_most() -> None:
    async def story(queue: Queue) -> None:
        wish = parse_exception(["SOFT/1"], "glob", "batch", "", "", 1, "full disks")
        id = str((await queue.service.request_exception(ANN, wish))["id"])
        await refused(queue, "staged", "exception.granted", id=id, change=act("grant"))
        subject = {**wish.subject("2027-01-01T00:00:00.000000Z")}
        staged = {"kind": "exception", **word(ANN), "subject": subject}
        await refused(queue, "within 30 days", "change.staged", **staged)
        staged["subject"] = {**subject, "expires": "2026-01-01T00:00:00.000000Z"}
        await refused(queue, "within 30 days", "change.staged", **staged)
        staged["subject"] = {**subject, "rules": []}
        await refused(queue, "names the rules", "change.staged", **staged)
        await refused(queue, "no live exception", "exception.ended", id=id, cause="expired")

    play(story)


def test_a_protection_is_not_staged_and_not_confirmed_by_its_author() -> None:
    async def story(queue: Queue) -> None:
        staged = {"kind": "protection", **word(ANN), "subject": {"glob": "x"}}
        await refused(queue, "not staged", "change.staged", **staged)
        wish = parse_protection("glob", "ledger-*", "an audit", "")
        id = str((await queue.service.protect(ANN, wish))["id"])
        approval = {"id": id, "bundle": "", "losses_hash": ""}
        for who in (ANN, person("approver", "ANN", "other"), person("approver", "eve", "ann")):
            await refused(queue, "somebody else", "change.approved", **approval, **word(who))
            await refused(queue, "somebody else", "protection.removed", id=id, **word(who))
        await queue.note("change.approved", **approval, **word(BOB))
        await refused(queue, "active", "protection.removed", id=id, **word(CY))

    play(story)


def test_a_rejection_without_a_key_is_nobodys() -> None:
    async def story(queue: Queue) -> None:
        wish = parse_protection("glob", "ledger-*", "an audit", "")
        id = str((await queue.service.protect(ANN, wish))["id"])
        await refused(queue, "form", "protection.removed", id=id, change=act("reject", BOB.uri))

    play(story)


@pytest.mark.parametrize(
    ("type", "body"),
    [
        ("change.staged", {"kind": "what", "subject": {}}),
        ("change.staged", {"kind": "bundle", "subject": {"bundle": 5}}),
        ("change.staged", {}),
        ("change.tested", {"id": 5}),
        ("change.approved", {"id": "c1"}),
        ("rollout.stepped", {"id": "c1", "step": 0, "steps": [{}]}),
        ("rollout.halted", {}),
        ("protection.added", {"row": {"id": "x"}}),
        ("protection.added", {"row": {"id": 5, "glob": "x"}}),
        ("exception.granted", {"id": None}),
        ("gateway.started", {}),
    ],
)
def test_an_entry_of_another_form_is_refused_as_a_sentence(type: str, body: dict[str, Any]) -> None:
    with pytest.raises(ChangeRefusedError):
        apply(Governance(), Record(1, 0, type, "", {**body, "prior": None}))


def test_entries_follow_one_another_without_a_gap() -> None:
    async def story(queue: Queue) -> None:
        await assessed(queue)
        entries = [
            Record(e.seq, e.time_us, e.type, e.actor, e.body) for e in await queue.log.journal()
        ]
        assert fold(entries) == queue.state
        for left_out in range(len(entries)):
            rest = [*entries[:left_out], *entries[left_out + 1 :]]
            if left_out < len(entries) - 1:
                with pytest.raises(ChangeRefusedError):
                    fold(rest)
        with pytest.raises(ChangeRefusedError, match="does not follow"):
            fold([entries[0], replace(entries[1], seq=entries[0].seq)])

    play(story)


def test_the_activation_number_is_that_of_the_newest_serving_entry() -> None:
    async def story(queue: Queue) -> None:
        id = await rolling(queue)
        assert queue.state.activation == queue.state.journal
        numbers = {queue.state.activation}
        await queue.step(id, 1, STEPS)
        numbers.add(queue.state.activation)
        await queue.stage(5)
        assert queue.state.activation in numbers
        await queue.activate(id)
        numbers.add(queue.state.activation)
        assert len(numbers) == 3

    play(story)


def test_the_serving_types_are_those_of_the_formats() -> None:
    assert frozenset(live_log.SERVING) == SERVING_TYPES
    assert frozenset({*live_log.JOURNAL, "alarm.raised", "alarm.ended"}) == JOURNAL_TYPES


@pytest.mark.parametrize("type", sorted(JOURNAL_TYPES))
def test_every_type_of_the_journal_has_a_step(type: str) -> None:
    with pytest.raises(ChangeRefusedError) as refused:
        apply(Governance(), Record(0, 1, type, "ann", {"prior": None}))
    assert "is no change" not in str(refused.value)
