"""Staging, approving, rejecting and going back, as people do it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest

from gateway import canonical
from gateway.bundles.archive import pack_archive
from gateway.changes.approvals import Approving
from gateway.changes.state import Kind, Stage
from gateway.errors import ChangeRefusedError, ConflictError, InputError, LogUnavailableError
from tests.fakes.bundles import OTHER_KEY, revised, sign_raw, signed_archive
from tests.fakes.changes import (
    ANN,
    BOB,
    CY,
    DAN,
    Queue,
    archive_of,
    everywhere,
    opened,
    person,
    whole_files,
)

Story = Callable[[Queue], Awaitable[None]]


def play(story: Story) -> Queue:
    async def run() -> Queue:
        queue = Queue()
        await queue.begin()
        await story(queue)
        assert await queue.folded() == queue.state
        return queue

    return asyncio.run(run())


def test_a_staged_bundle_is_kept_and_waits_for_its_tests() -> None:
    async def story(queue: Queue) -> None:
        archive = archive_of(2)
        view = await queue.service.stage_bundle(ANN, archive, "a new rule")
        bundle = opened(archive).bundle
        assert queue.store.kept[bundle.hash] == archive
        assert view["kind"] == "bundle"
        assert view["title"] == bundle.revision
        assert view["waits_for"] == "the gateway: its tests"
        [body] = queue.log.bodies("change.staged")
        assert body["change"] == {
            "user": ANN.uri,
            "change_type": "bundle.stage",
            "previous_value": queue.state.active.revision if queue.state.active else "",
            "new_value": bundle.revision,
            "justification": "a new rule",
            "approval_id": "",
        }
        assert body["key"] == ANN.key

    play(story)


def test_staging_twice_is_one_change() -> None:
    async def story(queue: Queue) -> None:
        first = await queue.stage()
        assert await queue.stage() == first
        with pytest.raises(ConflictError, match=f"{first} stages this bundle already"):
            await queue.stage(who=DAN)
        assert len(queue.log.bodies("change.staged")) == 1

    play(story)


def broken_archives() -> dict[str, tuple[bytes, str]]:
    good = archive_of(2)
    unsigned = pack_archive(revised(whole_files(2)))
    other = pack_archive(sign_raw(revised(whole_files(2)), key=OTHER_KEY))
    return {
        "unsigned": (unsigned, "not signed"),
        "another key": (other, "sign"),
        "older": (archive_of(1, b"more: {}\n"), "not newer than 1"),
        "truncated": (good[: len(good) // 2], "."),
        "nothing": (b"", "."),
        "blind": (signed_archive(2), "attributes must declare"),
    }


@pytest.mark.parametrize("name", broken_archives())
def test_a_refused_bundle_leaves_an_entry_and_everything_as_it_was(name: str) -> None:
    archive, reason = broken_archives()[name]

    async def story(queue: Queue) -> None:
        before = await queue.journal.refresh()
        with pytest.raises(ChangeRefusedError, match=reason):
            await queue.service.stage_bundle(ANN, archive, "try this")
        assert await queue.journal.refresh() == before
        [body] = queue.log.bodies("bundle.refused")
        assert body["archive"] == hashlib.sha256(archive).hexdigest()
        change = body["change"]
        assert isinstance(change, dict)
        assert (change["user"], change["justification"]) == (ANN.uri, "try this")
        assert body["reason"]

    play(story)


def test_a_refusal_that_cannot_be_recorded_is_no_refusal() -> None:
    async def story(queue: Queue) -> None:
        queue.log.failing = "disk full"
        with pytest.raises(LogUnavailableError):
            await queue.service.stage_bundle(ANN, b"junk", "try this")
        queue.log.failing = None

    play(story)


def test_a_version_that_was_in_force_once_never_comes_back_as_new() -> None:
    async def story(queue: Queue) -> None:
        await queue.bring_in_force(3)
        back = str((await queue.service.rollback(ANN, "", "it is wrong"))["id"])
        await queue.assess(back)
        await queue.approve(back)
        await queue.activate(back)
        assert queue.state.active is not None
        assert queue.state.active.version == 1
        with pytest.raises(ChangeRefusedError, match="not newer than 3"):
            await queue.stage(2)
        assert await queue.stage(4)

    play(story)


@pytest.mark.parametrize("words", ["", "  ", "x" * 1001, "a\x1b[2J"])
def test_a_justification_is_required(words: str) -> None:
    async def story(queue: Queue) -> None:
        with pytest.raises(InputError, match="justification"):
            await queue.service.stage_bundle(ANN, archive_of(2), words)

    play(story)


async def _assessed(queue: Queue, *losses: str) -> str:
    id = await queue.stage()
    await queue.test(id)
    await queue.assess(id, *losses)
    return id


def test_an_approval_is_by_another_person_with_another_key() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue)
        for who in (
            person("approver", "ann", "another key"),
            person("approver", "Ann", "another key"),
            person("approver", "eve", "ann"),
        ):
            with pytest.raises(ChangeRefusedError, match="somebody else"):
                await queue.approve(id, who)
        view = await queue.approve(id)
        assert view["stage"] == "approved"
        [body] = queue.log.bodies("change.approved")
        assert (body["bundle"], body["key"]) == (queue.state.changes[id].subject["bundle"], BOB.key)

    play(story)


def test_the_key_that_signed_the_bundle_does_not_approve_it() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue)
        signer = queue.state.changes[id].subject["signer"]
        signing = person("approver", "eve")
        with pytest.raises(ChangeRefusedError, match="another key than the one that signed"):
            await queue.approve(id, type(signing)(signing.uri, signer))

    play(story)


def test_an_approval_names_exactly_this_bundle() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue)
        for wrong in ("", "0" * 64):
            with pytest.raises(ChangeRefusedError, match="exactly this hash"):
                await queue.approve(id, bundle=wrong)

    play(story)


def test_an_approval_needs_an_impact_and_an_approval_id() -> None:
    async def story(queue: Queue) -> None:
        id = await queue.stage()
        await queue.test(id)
        with pytest.raises(ChangeRefusedError, match="not known yet"):
            await queue.approve(id)
        await queue.assess(id)
        with pytest.raises(InputError, match="approval_id"):
            await queue.service.approve(BOB, id, Approving(), "it is right", " ")

    play(story)


def test_an_approval_lists_exactly_what_loses_protection() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue, "b@prod/eu X/1", "a@prod/eu X/1")
        for said, complaint in (
            ({}, "2 seen would lose protection"),
            ({"losses": ("a@prod/eu X/1",)}, "missing: b@prod/eu X/1"),
            (
                {"losses": ("a@prod/eu X/1", "b@prod/eu X/1", "c@prod/eu X/1")},
                "not among them: c@prod/eu X/1",
            ),
            ({"losses_hash": "0" * 64}, "2 seen would lose protection"),
        ):
            with pytest.raises(ChangeRefusedError, match=complaint):
                await queue.approve(id, **said)
        await queue.approve(id, losses=("a@prod/eu X/1", "b@prod/eu X/1"))
        [body] = queue.log.bodies("change.approved")
        wanted = canonical.encode(["a@prod/eu X/1", "b@prod/eu X/1"])
        assert body["losses_hash"] == hashlib.sha256(wanted).hexdigest()

    play(story)


def test_an_approval_by_hash_names_the_same() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue, "a@prod/eu X/1")
        assessed = queue.state.changes[id].assessment
        assert assessed is not None
        assert (await queue.approve(id, losses_hash=assessed.losses_hash))["stage"] == "approved"

    play(story)


def test_losses_that_nobody_found_are_not_approved() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue)
        with pytest.raises(ChangeRefusedError, match="not among them: a@prod/eu X/1"):
            await queue.approve(id, losses=("a@prod/eu X/1",))

    play(story)


def test_all_losses_are_shown_though_the_log_holds_two_hundred() -> None:
    names = tuple(f"p{number:03}@prod/eu X/1" for number in range(250))

    async def story(queue: Queue) -> None:
        id = await _assessed(queue, *names)
        shown = await queue.service.show_change(id)
        assert shown is not None
        assert shown["impact"]["losses"] == list(names)
        assert len(queue.log.bodies("change.assessed")[0]["losses"]) == 200  # type: ignore[arg-type]
        with pytest.raises(ChangeRefusedError, match="200 were listed"):
            await queue.approve(id, losses=names[:200])
        assert (await queue.approve(id, losses=names))["stage"] == "approved"

    play(story)


def test_a_report_that_is_not_what_the_log_names_is_not_shown() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue, "a@prod/eu X/1")
        assessed = queue.state.changes[id].assessment
        assert assessed is not None
        queue.store.kept[assessed.report] = canonical.encode({"losses": []})
        shown = await queue.service.show_change(id)
        assert shown is not None
        assert shown["impact"]["losses"] == ["a@prod/eu X/1"]

    play(story)


def test_approving_twice_is_one_approval() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue)
        await queue.approve(id)
        assert (await queue.approve(id))["stage"] == "approved"
        with pytest.raises(ChangeRefusedError, match="approved already"):
            await queue.approve(id, CY)
        assert len(queue.log.bodies("change.approved")) == 1

    play(story)


def test_a_waiting_change_is_rejected_once() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue)
        view = await queue.service.reject(BOB, id, "too wide")
        assert (view["stage"], view["waits_for"]) == ("rejected", "")
        with pytest.raises(ChangeRefusedError, match="rejected already"):
            await queue.service.reject(BOB, id, "too wide")
        with pytest.raises(ChangeRefusedError, match="is rejected"):
            await queue.approve(id)
        with pytest.raises(ChangeRefusedError, match="no change"):
            await queue.service.reject(BOB, "c999", "too wide")

    play(story)


async def _rolling(queue: Queue) -> str:
    id = await _assessed(queue)
    await queue.approve(id)
    await queue.step(id, 0, [everywhere(200), everywhere()])
    return id


def test_a_rollback_halts_a_rollout_and_somebody_else_ends_it() -> None:
    async def story(queue: Queue) -> None:
        id = await _rolling(queue)
        view = await queue.service.rollback(ANN, "", "errors in the canary")
        assert (view["id"], view["stage"]) == (id, "halted")
        [halted] = queue.log.bodies("rollout.halted")
        assert halted["failures"] == [f"asked for by {ANN.uri}"]
        with pytest.raises(ChangeRefusedError, match="halted already"):
            await queue.service.rollback(DAN, "", "errors in the canary")
        for who in (person("approver", "ann", "another"), person("approver", "eve", "ann")):
            with pytest.raises(ChangeRefusedError, match="somebody else"):
                await queue.service.reject(who, id, "give it up")
        assert (await queue.service.reject(BOB, id, "give it up"))["stage"] == "ended"
        assert queue.state.rollout is None

    play(story)


def test_a_rollback_of_a_rollout_takes_no_target() -> None:
    async def story(queue: Queue) -> None:
        await _rolling(queue)
        with pytest.raises(ChangeRefusedError, match="without a target halts it"):
            await queue.service.rollback(ANN, "1-0123456789abcdef", "errors in the canary")

    play(story)


def test_a_rollback_gives_both_to_everybody_and_another_person_activates_it() -> None:
    async def story(queue: Queue) -> None:
        first = queue.state.active
        assert first is not None
        await queue.bring_in_force(2)
        view = await queue.service.rollback(CY, "", "it is wrong")
        id = str(view["id"])
        rollout = queue.state.rollout
        assert rollout is not None
        assert (rollout.id, rollout.bundle, rollout.is_complete) == (id, first.bundle, True)
        assert queue.state.changes[id].kind is Kind.ROLLBACK
        assert view["waits_for"] == "the gateway: its impact"
        with pytest.raises(ChangeRefusedError, match=r"goes back .* already"):
            await queue.service.rollback(CY, "", "it is wrong")
        await queue.assess(id)
        with pytest.raises(ChangeRefusedError, match="somebody else"):
            await queue.approve(id, CY)
        await queue.approve(id)
        await queue.activate(id)
        assert queue.state.active is not None
        assert queue.state.active.bundle == first.bundle

    play(story)


def test_a_rollback_names_an_earlier_bundle_by_revision_or_hash() -> None:
    async def story(queue: Queue) -> None:
        first = queue.state.active
        assert first is not None
        await queue.bring_in_force(2)
        await queue.bring_in_force(3)
        for to, complaint in (
            (queue.state.active.revision if queue.state.active else "", "in force already"),
            ("9-0000000000000000", "never in force"),
        ):
            with pytest.raises(ChangeRefusedError, match=complaint):
                await queue.service.rollback(ANN, to, "it is wrong")
        view = await queue.service.rollback(ANN, first.bundle, "it is wrong")
        assert view["title"] == f"back to {first.revision}"

    play(story)


def test_a_rollback_needs_the_earlier_bundle_in_the_store() -> None:
    async def story(queue: Queue) -> None:
        first = queue.state.active
        assert first is not None
        await queue.bring_in_force(2)
        queue.store.kept[first.bundle] = archive_of(5)
        with pytest.raises(ChangeRefusedError, match="is another"):
            await queue.service.rollback(ANN, "", "it is wrong")
        del queue.store.kept[first.bundle]
        with pytest.raises(ChangeRefusedError, match="restore a backup"):
            await queue.service.rollback(ANN, "", "it is wrong")
        assert queue.state.rollout is None

    play(story)


def test_there_is_nothing_to_go_back_to_at_first() -> None:
    async def story(queue: Queue) -> None:
        with pytest.raises(ChangeRefusedError, match="nothing to go back to"):
            await queue.service.rollback(ANN, "", "it is wrong")

    play(story)


def test_the_list_says_who_may_do_what_next() -> None:
    async def story(queue: Queue) -> None:
        id = await _assessed(queue)
        value = await queue.service.list_changes()
        [row] = value["changes"]
        assert (row["id"], row["waits_for"]) == (id, "an approver who is not ann")
        await queue.service.reject(BOB, id, "no")
        assert (await queue.service.list_changes())["changes"] == []
        [row] = (await queue.service.list_changes(with_past=True))["changes"]
        assert row["stage"] == Stage.REJECTED
        assert await queue.service.show_change("c999") is None

    play(story)
