"""Decisions while a candidate is beside what is in force: lanes, shadow, the fence, holds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.clock import format_time, parse_time
from gateway.decisions.epoch import begin_epoch
from gateway.decisions.exceptions import Exceptions, LiveException
from gateway.decisions.floor import Floor, parse_rows
from gateway.decisions.lanes import Lanes, Step
from gateway.decisions.policy import ActivePolicy, CandidatePolicy
from gateway.decisions.proposals import ProposalReader
from gateway.decisions.service import MAX_SHADOWS
from gateway.decisions.shadow import ShadowMeter
from gateway.decisions.windows import parse_windows
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.errors import LogUnavailableError
from gateway.wire.classes import ClassDeclaration, Sender, join_declarations
from gateway.wire.patterns import parse_pattern
from gateway.wire.verdicts import Reason
from tests.fakes.decisions import (
    DECLARATION,
    NOW_US,
    Desk,
    make_desk,
    make_policy,
    proposal,
    read_entry,
    verify_answer_recorded,
)
from tests.fakes.engine import PROTECTED, Answer, FakeEngine

KEEP = RuleVerdict("protect", "keep", 1000, (PROTECTED,))
DROP = RuleVerdict("permit", "drop", 0)
SOFT = Reason("SOX/404", "rules.sox", "soft", "reports")
HALF = RuleVerdict("protect", "sample", 500, (SOFT,), ({"type": "encrypt"},), 60)
EVERYBODY = (Step("*", "*", 1000),)
NOBODY = (Step("elsewhere", "*", 1000),)
CANDIDATE = "c" * 64


def with_candidate(
    active: dict[str, Answer],
    candidate: dict[str, Answer],
    steps: tuple[Step, ...] = EVERYBODY,
    declaration: ClassDeclaration = DECLARATION,
) -> ActivePolicy:
    """A policy whose engine and candidate answer by name."""
    policy = make_policy(FakeEngine(active))
    rows = parse_rows([{"id": "new", "glob": "floored-*"}], "a test")
    other = CandidatePolicy(
        bundle=CANDIDATE,
        revision="8-00cc",
        engine=FakeEngine(candidate),
        floor=Floor(None, rows),
        declaration=declaration,
        schedule=parse_windows([]),
        lanes=Lanes(CANDIDATE, steps),
        meter=ShadowMeter(),
    )
    reader = ProposalReader(join_declarations(policy.declaration, declaration))
    return replace(policy, candidate=other, reader=reader)


def candidate_of(desk: Desk) -> CandidatePolicy:
    assert desk.policy.candidate is not None
    return desk.policy.candidate


def engines_of(desk: Desk) -> tuple[FakeEngine, FakeEngine]:
    active, candidate = desk.policy.engine, candidate_of(desk).engine
    assert isinstance(active, FakeEngine)
    assert isinstance(candidate, FakeEngine)
    return active, candidate


def play(policy: ActivePolicy, scene: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        await scene(make_desk(policy))

    asyncio.run(run())


def only(answer: dict[str, Any]) -> dict[str, Any]:
    [verdict] = answer["verdicts"]
    assert isinstance(verdict, dict)
    return verdict


async def shadows(desk: Desk) -> None:
    await asyncio.gather(*desk.service._shadows)


@pytest.mark.parametrize(
    ("active", "candidate", "action", "effect"),
    [
        (DROP, DROP, "drop", "permitted"),
        (KEEP, DROP, "keep", "overridden"),
        (DROP, KEEP, "keep", "overridden"),
        (DROP, HALF, "sample", "overridden"),
        (HALF, DROP, "sample", "overridden"),
    ],
)
def test_a_canary_has_the_more_protective_of_both(
    active: Answer, candidate: Answer, action: str, effect: str
) -> None:
    async def scene(desk: Desk) -> None:
        answer = await desk.ask(proposal("a"))
        verdict = only(answer)
        assert (verdict["action"], verdict["effect"]) == (action, effect)
        assert verdict["lease"]["activation"] == 3
        verify_answer_recorded(desk.log, answer)

    play(with_candidate({"a": active}, {"a": candidate}), scene)


def test_the_candidates_floor_holds_for_a_canary_alone() -> None:
    async def canary(desk: Desk) -> None:
        assert only(await desk.ask(proposal("floored-1")))["action"] == "keep"

    async def active(desk: Desk) -> None:
        assert only(await desk.ask(proposal("floored-1")))["action"] == "drop"

    play(with_candidate({}, {}), canary)
    play(with_candidate({}, {}, NOBODY), active)


@pytest.mark.parametrize("failing", ["active", "candidate"])
def test_a_failure_of_either_keeps_a_canary(failing: str) -> None:
    failure: dict[str, Answer] = {"a": EngineFailure("timeout")}

    async def scene(desk: Desk) -> None:
        answer = await desk.ask(proposal("a"))
        assert only(answer)["effect"] == "fail_safe"
        assert only(answer)["lease"] is None
        verify_answer_recorded(desk.log, answer)
        meter = candidate_of(desk).meter
        # Where what is in force failed, there is nothing to compare with.
        assert meter.count("*", "*") == ((0, 0) if failing == "active" else (1, 1))
        await desk.ask(proposal("a"))
        assert len(engines_of(desk)[0].asked) == 2  # and is asked again

    pair = (failure, {}) if failing == "active" else ({}, failure)
    play(with_candidate(*pair), scene)


def test_a_canarys_entry_pins_the_candidate() -> None:
    async def scene(desk: Desk) -> None:
        await desk.ask(proposal("a"))
        [body] = desk.log.bodies("evaluations")
        assert body["lane"] == "canary"
        assert body["bundle"] == desk.policy.ref.bundle
        floor = candidate_of(desk).floor.hash
        assert body["candidate"] == {"bundle": CANDIDATE, "floor": floor, "windows": []}

    play(with_candidate({}, {}), scene)


def test_outside_the_canary_what_is_in_force_answers_and_the_candidate_is_only_counted() -> None:
    async def scene(desk: Desk) -> None:
        answer = await desk.ask(proposal("a"), proposal("b"), proposal("c"))
        assert [verdict["action"] for verdict in answer["verdicts"]] == ["drop", "keep", "keep"]
        verify_answer_recorded(desk.log, answer)
        [body] = desk.log.bodies("evaluations")
        assert (body["lane"], body["candidate"]) == ("active", None)
        await shadows(desk)
        meter = candidate_of(desk).meter
        assert meter.count("production", "eu-west-1") == (2, 0)  # c failed: nothing to compare
        assert (meter.more, meter.less) == (1, 1)
        assert [settled.action for settled in meter.losses.values()] == ["keep"]
        await desk.ask(proposal("a"))
        await shadows(desk)
        assert len(engines_of(desk)[1].asked) == 1  # a warm class is not asked about again

    play(
        with_candidate({"b": KEEP, "c": EngineFailure("timeout")}, {"a": KEEP, "b": DROP}, NOBODY),
        scene,
    )


def test_a_candidate_that_hangs_holds_up_nobody_outside_the_canary() -> None:
    async def scene(desk: Desk) -> None:
        engines_of(desk)[1].delay_seconds = 30.0
        async with asyncio.timeout(5):
            for number in range(MAX_SHADOWS + 5):
                await desk.ask(proposal(f"a{number}"))
        assert len(desk.service._shadows) == MAX_SHADOWS  # the rest was left out
        for task in desk.service._shadows:
            task.cancel()

    play(with_candidate({}, {}, NOBODY), scene)


def test_lanes_have_verdicts_of_their_own() -> None:
    async def scene(desk: Desk) -> None:
        there = Sender("elsewhere", "eu-west-1", "unlisted")
        assert only(await desk.ask(proposal("a")))["action"] == "drop"
        assert only(await desk.ask(proposal("a"), sender=there))["action"] == "keep"
        assert only(await desk.ask(proposal("a")))["action"] == "drop"

    play(with_candidate({}, {"a": KEEP}, NOBODY), scene)


def test_each_engine_is_asked_about_what_its_bundle_declares() -> None:
    wider = ClassDeclaration(
        (*DECLARATION.attributes, "process.owner"), (100, *DECLARATION.score_edges)
    )

    async def scene(desk: Desk) -> None:
        asked = proposal("a", score=0.05)
        asked["process"]["process.owner"] = "root"
        await desk.ask(asked)
        seen = []
        for engine in engines_of(desk):
            [(_, _, [process_class])] = engine.asked
            seen.append((dict(process_class.attributes).get("process.owner"), process_class.score))
        assert seen == expected

    expected: list[tuple[str | None, int]] = [(None, 250), ("root", 100)]
    play(with_candidate({}, {}, declaration=wider), scene)
    policy = with_candidate({}, {})
    assert policy.candidate is not None
    reader = ProposalReader(join_declarations(wider, DECLARATION))
    expected = [("root", 100), (None, 250)]
    play(replace(policy, declaration=wider, reader=reader), scene)


def test_an_exception_lifts_in_both_or_in_neither() -> None:
    expires_us = NOW_US + 3_600_000_000
    live = LiveException(
        id="c7",
        rules=frozenset({"rules.sox"}),
        pattern=parse_pattern("glob", "a", "a test"),
        environment="",
        region="",
        reason="a migration",
        expires_us=expires_us,
        expires=format_time(expires_us),
    )
    hard = replace(HALF, reasons=(SOFT, PROTECTED))

    async def both_soft(desk: Desk) -> None:
        verdict = only(await desk.ask(proposal("a")))
        assert verdict["action"] == "drop"
        assert verdict["reasons"][0]["control"] == "EXCEPTION/c7"
        assert parse_time(verdict["lease"]["expires"]) <= expires_us
        [body] = desk.log.bodies("evaluations")
        assert body["exceptions"] == Exceptions((live,)).hash
        desk.clock.advance(3_600)
        assert only(await desk.ask(proposal("a")))["action"] == "sample"

    async def one_hard(desk: Desk) -> None:
        assert only(await desk.ask(proposal("a")))["action"] == "sample"

    for candidate, scene in ((HALF, both_soft), (hard, one_hard)):
        policy = with_candidate({"a": HALF}, {"a": candidate})
        play(replace(policy, exceptions=Exceptions((live,))), scene)


def test_an_epoch_ends_with_an_exception_and_with_the_candidates_windows() -> None:
    row = {"name": "w", "zone": "UTC", "days": ["fri"], "from": "03:05", "to": "04:00"}
    policy = with_candidate({}, {})
    assert policy.candidate is not None
    candidate = replace(policy.candidate, schedule=parse_windows([row]))
    epoch = begin_epoch(replace(policy, candidate=candidate), NOW_US)
    opens_us = parse_time("2026-01-02T03:05:00.000000Z")
    assert epoch.ends_us == epoch.lease_ends_us == opens_us
    inside = begin_epoch(replace(policy, candidate=candidate), opens_us)
    assert (inside.windows, inside.candidate_windows) == ((), ("w",))


def test_what_is_decided_while_another_activation_comes_in_is_kept_under_its_number() -> None:
    async def scene(desk: Desk) -> None:
        desk.log.in_force = lambda: 9
        answer = await desk.ask(proposal("a"))
        verdict = only(answer)
        assert (verdict["action"], verdict["effect"], verdict["lease"]) == (
            "keep",
            "fail_safe",
            None,
        )
        assert verdict["reasons"][0]["rule"] == "gateway.activation_moved"
        assert answer["policy"]["activation"] == 9
        assert desk.log.bodies("evaluations") == []
        [cited] = answer["entries"]
        body = read_entry(desk.log, cited["index"])["body"]
        assert (body["activation"], body["fail_safe"]) == (9, {"activation_moved": 1})
        desk.log.in_force = lambda: 3
        assert only(await desk.ask(proposal("a")))["action"] == "drop"

    play(make_policy(activation=3), scene)


def test_an_activation_that_never_stands_still_is_no_answer() -> None:
    async def scene(desk: Desk) -> None:
        numbers = iter(range(4, 1_000))
        desk.log.in_force = lambda: next(numbers)
        with pytest.raises(LogUnavailableError, match="faster than this can be recorded"):
            await desk.ask(proposal("a"))

    play(make_policy(activation=3), scene)


def test_on_hold_everything_is_kept_and_nobody_is_asked() -> None:
    async def scene(desk: Desk) -> None:
        answer = await desk.ask(proposal("a"), {"ref": "bad"})
        assert {verdict["effect"] for verdict in answer["verdicts"]} == {"fail_safe"}
        assert all(verdict["lease"] is None for verdict in answer["verdicts"])
        reasons = {verdict["reasons"][0]["message"] for verdict in answer["verdicts"]}
        assert reasons == {"kept: it is made ready"}
        assert [engine.asked for engine in engines_of(desk)] == [[], []]
        verify_answer_recorded(desk.log, answer)

    play(replace(with_candidate({}, {}), hold="it is made ready"), scene)


def test_a_hold_that_begins_meanwhile_leases_nothing() -> None:
    async def scene(desk: Desk) -> None:
        desk.log.gate.clear()
        waiting = asyncio.create_task(desk.ask(proposal("a")))
        for _ in range(20):
            await asyncio.sleep(0)
        desk.policy = replace(desk.policy, hold="it is made ready")
        desk.log.gate.set()
        assert only(await waiting)["lease"] is None

    play(make_policy(), scene)
