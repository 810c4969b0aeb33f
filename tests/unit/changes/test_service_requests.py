"""Protections and exceptions, as people ask for them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.changes.approvals import Approving
from gateway.changes.scope import ExceptionWish, ProtectionWish, parse_exception, parse_protection
from gateway.clock import format_time, parse_time
from gateway.errors import ChangeRefusedError, ConflictError, InputError
from tests.fakes.changes import ANN, BOB, DAN, Queue, person

Story = Callable[[Queue], Awaitable[None]]
DAY_US = 86_400_000_000


def play(story: Story) -> Queue:
    async def run() -> Queue:
        queue = Queue()
        await queue.begin()
        await story(queue)
        assert await queue.folded() == queue.state
        return queue

    return asyncio.run(run())


def protection(text: str = "^ledger", control: str = "") -> ProtectionWish:
    return parse_protection("regex", text, "an audit asks for it", control)


def exception(rule: str = "SOFT/1", hours: int = 24, text: str = "^batch-[0-9]+$") -> ExceptionWish:
    return parse_exception([rule], "regex", text, "dev", "", hours, "the disks are full")


def test_a_protection_holds_at_once_and_is_confirmed_afterwards() -> None:
    async def story(queue: Queue) -> None:
        view = await queue.service.protect(ANN, protection())
        assert view["waits_for"] == "an approver who is not ann (it holds already)"
        [live] = queue.state.protections
        assert dict(live.row) == {
            "control": "PROTECTION/manual",
            "id": f"protect-{live.id[1:]}",
            "reason": "an audit asks for it",
            "regex": "^ledger",
        }
        assert (await queue.approve(live.id))["stage"] == "active"
        [live] = queue.state.protections
        assert live.is_confirmed
        with pytest.raises(ChangeRefusedError, match="active already"):
            await queue.service.reject(BOB, live.id, "not wanted")

    play(story)


def test_protecting_twice_is_one_protection() -> None:
    async def story(queue: Queue) -> None:
        first = await queue.service.protect(ANN, protection())
        assert await queue.service.protect(DAN, protection()) == first
        other = await queue.service.protect(ANN, protection(control="PCI/1"))
        assert other["id"] != first["id"]
        rows = [one.row["id"] for one in queue.state.protections]
        assert len(set(rows)) == 2

    play(story)


def test_a_protection_is_taken_away_by_somebody_else_alone() -> None:
    async def story(queue: Queue) -> None:
        id = str((await queue.service.protect(ANN, protection()))["id"])
        for who in (ANN, person("approver", "ann", "another"), person("approver", "eve", "ann")):
            with pytest.raises(ChangeRefusedError, match="somebody else"):
                await queue.service.reject(who, id, "not wanted")
        assert (await queue.service.reject(BOB, id, "not wanted"))["stage"] == "rejected"
        assert queue.state.protections == ()
        [body] = queue.log.bodies("protection.removed")
        change = body["change"]
        assert isinstance(change, dict)
        assert (change["previous_value"], change["new_value"]) == ("regex: ^ledger", "")

    play(story)


@pytest.mark.parametrize(
    ("kind", "text", "reason", "control", "complaint"),
    [
        ("regex", "(", "r", "", "not valid RE2"),
        ("glob", "[", "r", "", "not closed"),
        ("regex", "", "r", "", "not empty"),
        ("glob", "x" * 1025, "r", "", "longer than 1024"),
        ("regex", "a\nb", "r", "", "cannot be printed"),
        ("regex", "a", " ", "", "reason"),
        ("regex", "a", "x" * 501, "", "reason"),
        ("regex", "a", "r", "c" * 201, "control"),
    ],
)
def test_a_protection_that_could_not_be_served_is_not_taken(
    kind: str, text: str, reason: str, control: str, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        parse_protection(kind, text, reason, control)


def test_an_exception_is_granted_by_somebody_else_and_ends() -> None:
    async def story(queue: Queue) -> None:
        view = await queue.service.request_exception(ANN, exception(hours=24))
        id = str(view["id"])
        assert view["waits_for"] == "an approver who is not ann"
        assert queue.state.exceptions == ()
        with pytest.raises(ChangeRefusedError, match="not granted yet"):
            await queue.service.revoke_exception(ANN, id, "no longer")
        with pytest.raises(ChangeRefusedError, match="somebody else"):
            await queue.approve(id, person("approver", "ann", "another"))
        assert (await queue.approve(id))["stage"] == "active"
        [live] = (await queue.service.list_exceptions())["exceptions"]
        assert (live["author"], live["approver"]) == (ANN.uri, BOB.uri)
        assert live["expires"] == format_time(queue.clock.now_us() + DAY_US)
        with pytest.raises(ChangeRefusedError, match="revoke"):
            await queue.service.reject(BOB, id, "no longer")
        await queue.service.revoke_exception(ANN, id, "no longer")
        assert queue.state.exceptions == ()
        with pytest.raises(ChangeRefusedError, match="ended already"):
            await queue.service.revoke_exception(ANN, id, "no longer")

    play(story)


def test_approving_an_exception_again_grants_it_once() -> None:
    async def story(queue: Queue) -> None:
        id = str((await queue.service.request_exception(ANN, exception()))["id"])
        await queue.approve(id)
        assert (await queue.approve(id))["stage"] == "active"
        assert len(queue.log.bodies("exception.granted")) == 1
        with pytest.raises(ConflictError, match="for the same and is active"):
            await queue.service.request_exception(ANN, exception(hours=5))

    play(story)


def test_an_exception_names_no_bundle() -> None:
    async def story(queue: Queue) -> None:
        id = str((await queue.service.request_exception(ANN, exception()))["id"])
        with pytest.raises(ChangeRefusedError, match="about no bundle"):
            await queue.approve(id, bundle="0" * 64)

    play(story)


def test_there_is_no_exception_from_a_hard_rule_or_from_nothing() -> None:
    async def story(queue: Queue) -> None:
        for rule in ("HARD/1", "main.hard"):
            with pytest.raises(ChangeRefusedError, match=f"{rule} is hard"):
                await queue.service.request_exception(ANN, exception(rule))
        with pytest.raises(ChangeRefusedError, match="no rule or control SOFT/2"):
            await queue.service.request_exception(ANN, exception("SOFT/2"))
        assert await queue.service.request_exception(ANN, exception("main.soft"))

    play(story)


def test_a_rule_that_has_become_hard_meanwhile_is_not_excepted() -> None:
    async def story(queue: Queue) -> None:
        id = str((await queue.service.request_exception(ANN, exception()))["id"])
        await queue.bring_in_force(2, soft=b"hard")
        with pytest.raises(ChangeRefusedError, match="SOFT/1 is hard"):
            await queue.approve(id)

    play(story)


def test_asking_twice_is_one_request_and_asking_for_a_standing_one_is_refused() -> None:
    async def story(queue: Queue) -> None:
        first = await queue.service.request_exception(ANN, exception())
        queue.clock.advance(60)
        assert await queue.service.request_exception(ANN, exception(hours=48)) == first
        with pytest.raises(ConflictError, match="for the same and is staged"):
            await queue.service.request_exception(DAN, exception())
        assert len(queue.log.bodies("change.staged")) == 1

    play(story)


def test_an_exception_that_is_over_before_it_is_approved_is_not_granted() -> None:
    async def story(queue: Queue) -> None:
        id = str((await queue.service.request_exception(ANN, exception(hours=1)))["id"])
        queue.clock.advance(3_601)
        with pytest.raises(ChangeRefusedError, match="over already"):
            await queue.approve(id)
        assert queue.log.bodies("change.approved") == []

    play(story)


def test_thirty_days_are_the_most() -> None:
    async def story(queue: Queue) -> None:
        view = await queue.service.request_exception(ANN, exception(hours=720))
        expires = queue.state.changes[str(view["id"])].subject["expires"]
        assert parse_time(expires) == queue.clock.now_us() + 30 * DAY_US

    play(story)
    for hours in (0, -1, 721):
        with pytest.raises(InputError, match="hours"):
            exception(hours=hours)


@pytest.mark.parametrize(
    "text",
    [
        "batch",
        "^batch",
        "batch$",
        "^batch$|x",
        "x|^batch$",
        "^batch$|^x",
        "^a|b$",
        r"^batch\$",
        "(?m)^batch$",
        "(?m:^batch$)",
        "^(?m:batch$)",
        r"^\Qbatch$",
        "(?:^batch)?$",
        "^(?:batch$)*",
        "",
    ],
)
def test_an_exception_must_match_whole_names(text: str) -> None:
    with pytest.raises(InputError, match="pattern"):
        exception(text=text)


@pytest.mark.parametrize(
    "text",
    ["^batch$", r"\Abatch\z", "^(?:a|b)$", "^a$|^b$", "(^a$)", "(?i)^batch-[0-9]{2,}$", "^$"],
)
def test_whole_patterns_are_taken(text: str) -> None:
    assert exception(text=text).text == text


@pytest.mark.parametrize(
    ("rules", "environment", "region"),
    [([], "", ""), (["a\x07"], "", ""), (["r"] * 21, "", ""), (["r"], "a/b", ""), (["r"], "", "é")],
)
def test_an_exception_is_from_named_rules_and_in_named_places(
    rules: list[str], environment: str, region: str
) -> None:
    with pytest.raises(InputError):
        parse_exception(rules, "glob", "batch-*", environment, region, 1, "the disks are full")


def test_a_name_that_says_nothing_is_refused_as_an_approval() -> None:
    async def story(queue: Queue) -> None:
        id = str((await queue.service.protect(ANN, protection()))["id"])
        for words, approval_id in (("", "T-1"), ("fine", "")):
            with pytest.raises(InputError):
                await queue.service.approve(BOB, id, Approving(), words, approval_id)

    play(story)
