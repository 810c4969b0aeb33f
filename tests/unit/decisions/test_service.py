import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.clock import parse_time
from gateway.decisions.windows import parse_windows
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.errors import InputError, LogUnavailableError
from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import Reason
from tests.fakes.decisions import (
    DAY_US,
    FAR_US,
    NOW_US,
    Desk,
    body,
    make_desk,
    make_policy,
    proposal,
    read_entry,
    verify_answer_recorded,
)
from tests.fakes.engine import Answer, FakeEngine

MAX_ENTRY_BYTES = 65_535


def decide(answer: dict[str, Any], ref: str) -> dict[str, Any]:
    """The verdict that a ref got."""
    [position] = [position for name, position in answer["refs"] if name == ref]
    verdict: dict[str, Any] = answer["verdicts"][position]
    return verdict


async def settle_tasks() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_cold_batch_is_evaluated_once_recorded_and_answered_in_order() -> None:
    async def run() -> None:
        engine = FakeEngine()
        desk = make_desk(make_policy(engine))
        answer = await desk.ask(proposal("a"), proposal("payment-x"), proposal("a", ref="a2"))
        assert [ref for ref, _ in answer["refs"]] == ["a", "payment-x", "a2"]
        assert decide(answer, "a")["action"] == "drop"
        assert decide(answer, "a")["effect"] == "permitted"
        assert decide(answer, "payment-x")["action"] == "keep"
        assert decide(answer, "payment-x")["effect"] == "overridden"
        assert len(answer["verdicts"]) == 2
        [(_, _, classes)] = engine.asked
        assert len(classes) == 2
        verify_answer_recorded(desk.log, answer)
        assert desk.observed == {"evaluated": 2, "permitted": 2, "overridden": 1}

    asyncio.run(run())


def test_warm_classes_cost_one_short_entry_and_no_question() -> None:
    async def run() -> None:
        engine = FakeEngine()
        desk = make_desk(make_policy(engine))
        await desk.ask(proposal("a"), proposal("b"))
        entries = len(desk.log.entries)
        answer = await desk.ask(proposal("b"), proposal("a"), proposal("b", ref="b2"))
        assert len(engine.asked) == 1
        assert len(desk.log.entries) == entries + 1
        verify_answer_recorded(desk.log, answer)
        mixed = await desk.ask(proposal("a"), proposal("c"))
        assert [len(classes) for _, _, classes in engine.asked] == [2, 1]
        verify_answer_recorded(desk.log, mixed)

    asyncio.run(run())


def test_what_was_forgotten_is_evaluated_and_recorded_anew() -> None:
    async def run() -> None:
        engine = FakeEngine()
        desk = make_desk(make_policy(engine))
        await desk.ask(proposal("a"), proposal("b"))
        desk.service.forget()
        answer = await desk.ask(proposal("a"))
        assert [len(classes) for _, _, classes in engine.asked] == [2, 1]
        verify_answer_recorded(desk.log, answer)

    asyncio.run(run())


def test_equal_refs_are_kept_apart_by_position() -> None:
    async def run() -> None:
        desk = make_desk()
        answer = await desk.ask(
            proposal("log-shipper", ref="r"), proposal("payment-x", ref="r"), proposal("b", ref="r")
        )
        actions = [answer["verdicts"][position]["action"] for _, position in answer["refs"]]
        assert actions == ["drop", "keep", "drop"]
        verify_answer_recorded(desk.log, answer)

    asyncio.run(run())


def test_one_failing_class_is_kept_uncached_and_the_others_are_decided() -> None:
    async def run() -> None:
        engine = FakeEngine(answers={"odd": EngineFailure("timeout")})
        desk = make_desk(make_policy(engine))
        answer = await desk.ask(proposal("a"), proposal("odd"), proposal("odd", ref="odd2"))
        assert decide(answer, "a")["action"] == "drop"
        assert decide(answer, "odd")["effect"] == "fail_safe"
        assert decide(answer, "odd")["action"] == "keep"
        assert decide(answer, "odd")["lease"] is None
        verify_answer_recorded(desk.log, answer)
        entry = read_entry(desk.log, answer["entries"][0]["index"])
        assert entry["body"]["fail_safe"] == {"timeout": 2}
        assert desk.observed["failure:timeout"] == 1
        engine.answers.clear()
        assert decide(await desk.ask(proposal("odd")), "odd")["action"] == "drop"

    asyncio.run(run())


@pytest.mark.parametrize(
    "bad",
    [
        {"ref": "bad", "process": {}, "action": "erase"},
        {"ref": "bad", "process": {}, "action": "drop", "sample_rate": 0.5},
        {"ref": "bad", "process": {}, "action": "sample"},
        {"ref": "bad", "process": {"service.name": "x" * 5000}, "action": "drop"},
        {"ref": "bad", "process": {"service.name": 7}, "action": "drop"},
        {"ref": "bad", "process": {"service.name": "\udcff"}, "action": "drop"},
        {"ref": "bad", "process": {}, "action": "drop", "score": float("nan")},
    ],
)
def test_a_bad_item_is_kept_alone(bad: dict[str, Any]) -> None:
    async def run() -> None:
        desk = make_desk()
        answer = await desk.ask(proposal("a"), bad, proposal("b"))
        assert decide(answer, "a")["action"] == "drop"
        assert decide(answer, "b")["action"] == "drop"
        verdict = decide(answer, "bad")
        assert (verdict["action"], verdict["effect"]) == ("keep", "fail_safe")
        assert verdict["lease"] is None
        assert len(verdict["reasons"][0]["message"]) <= 256
        entry = read_entry(desk.log, answer["entries"][0]["index"])
        assert entry["body"]["fail_safe"] == {"bad_proposal": 1}
        verify_answer_recorded(desk.log, answer)

    asyncio.run(run())


def test_a_batch_of_only_bad_items_is_recorded_and_kept() -> None:
    async def run() -> None:
        desk = make_desk()
        answer = await desk.ask(*[{"ref": str(i)} for i in range(3)])
        assert {v["effect"] for v in answer["verdicts"]} == {"fail_safe"}
        assert len(answer["refs"]) == 3
        verify_answer_recorded(desk.log, answer)

    asyncio.run(run())


def test_a_failed_append_answers_nothing_and_caches_nothing() -> None:
    async def run() -> None:
        engine = FakeEngine()
        desk = make_desk(make_policy(engine))
        desk.log.failures = ["disk full"]
        with pytest.raises(LogUnavailableError):
            await desk.ask(proposal("a"))
        assert len(desk.log.entries) == 1
        answer = await desk.ask(proposal("a"))
        assert len(engine.asked) == 2
        verify_answer_recorded(desk.log, answer)
        desk.log.failures = ["disk full"]
        with pytest.raises(LogUnavailableError):
            await desk.ask(proposal("a"))

    asyncio.run(run())


def test_no_answer_leaves_while_the_append_is_pending() -> None:
    async def run() -> None:
        desk = make_desk()
        await desk.ask(proposal("a"))
        desk.log.gate.clear()
        warm = asyncio.create_task(desk.ask(proposal("a")))
        cold = asyncio.create_task(desk.ask(proposal("b")))
        await settle_tasks()
        assert desk.log.waiting == 2
        assert not warm.done()
        assert not cold.done()
        desk.log.gate.set()
        for task in (warm, cold):
            verify_answer_recorded(desk.log, await task)

    asyncio.run(run())


def test_two_requests_with_the_same_new_class_each_cite_what_stands() -> None:
    async def run() -> None:
        engine = FakeEngine(delay_seconds=0.01)
        desk = make_desk(make_policy(engine))
        first, second = await asyncio.gather(desk.ask(proposal("a")), desk.ask(proposal("a")))
        for answer in (first, second, await desk.ask(proposal("a"))):
            verify_answer_recorded(desk.log, answer)

    asyncio.run(run())


def test_one_of_two_concurrent_requests_may_fail_without_harm_to_the_other() -> None:
    async def run() -> None:
        desk = make_desk()
        desk.log.gate.clear()
        tasks = [asyncio.create_task(desk.ask(proposal("a"))) for _ in range(2)]
        await settle_tasks()
        desk.log.failures = ["disk full", None]
        desk.log.gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        [failed] = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert isinstance(failed, LogUnavailableError)
        [answered] = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        verify_answer_recorded(desk.log, answered)
        verify_answer_recorded(desk.log, await desk.ask(proposal("a")))

    asyncio.run(run())


def test_a_policy_swapped_while_a_request_waits_leases_nothing_of_the_old_one() -> None:
    async def run() -> None:
        desk = make_desk(make_policy(activation=3))
        desk.log.gate.clear()
        waiting = asyncio.create_task(desk.ask(proposal("a")))
        await settle_tasks()
        desk.policy = make_policy(
            FakeEngine(answers={"a": RuleVerdict("protect", "keep", 1000)}), activation=9
        )
        desk.log.in_force = lambda: 3  # it is durable just before the other comes in
        desk.log.gate.set()
        old = await waiting
        assert old["policy"]["activation"] == 3
        assert decide(old, "a")["lease"] is None
        verify_answer_recorded(desk.log, old)
        desk.log.in_force = lambda: 9
        new = await desk.ask(proposal("a"))
        assert decide(new, "a")["action"] == "keep"
        assert decide(new, "a")["lease"]["activation"] == 9
        verify_answer_recorded(desk.log, new)

    asyncio.run(run())


def test_returning_to_an_earlier_policy_revives_no_cached_verdict() -> None:
    async def run() -> None:
        desk = make_desk()
        first = desk.policy
        await desk.ask(proposal("a"))
        desk.policy = make_policy(activation=4)
        await desk.ask(proposal("a"))
        desk.policy = first
        assert isinstance(first.engine, FakeEngine)
        await desk.ask(proposal("a"))
        assert len(first.engine.asked) == 2

    asyncio.run(run())


def test_a_stale_bundle_keeps_everything_and_asks_nobody() -> None:
    async def run() -> None:
        engine = FakeEngine()
        desk = make_desk(make_policy(engine, expires_us=NOW_US + 1_000_000))
        warm = await desk.ask(proposal("a"))
        assert parse_time(decide(warm, "a")["lease"]["expires"]) <= NOW_US + 1_000_000
        desk.clock.advance(1)
        answer = await desk.ask(proposal("a"), proposal("b"), {"ref": "bad"})
        assert {v["effect"] for v in answer["verdicts"]} == {"fail_safe"}
        assert {v["action"] for v in answer["verdicts"]} == {"keep"}
        assert all(v["lease"] is None for v in answer["verdicts"])
        assert len(engine.asked) == 1
        entry = read_entry(desk.log, answer["entries"][0]["index"])
        assert entry["body"]["fail_safe"] == {"stale_bundle": 3}

    asyncio.run(run())


class WindowEngine(FakeEngine):
    """Keeps everything while a window is open."""

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[Answer]:
        plain = await super().evaluate(sender, windows, classes)
        return [RuleVerdict("protect", "keep", 1000)] * len(plain) if windows else plain


def test_a_window_that_opens_ends_cached_verdicts_and_leases() -> None:
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    window = {"name": "night", "zone": "UTC", "days": days, "from": "03:05", "to": "04:00"}

    async def run() -> None:
        desk = make_desk(make_policy(WindowEngine(), schedule=parse_windows([window])))
        before = await desk.ask(proposal("a"))
        assert decide(before, "a")["action"] == "drop"
        opens_us = parse_time("2026-01-02T03:05:00.000000Z")
        assert parse_time(decide(before, "a")["lease"]["expires"]) <= opens_us
        desk.clock.wall_us = opens_us
        during = await desk.ask(proposal("a"))
        assert decide(during, "a")["action"] == "keep"
        verify_answer_recorded(desk.log, during)
        desk.clock.wall_us = opens_us - 1  # stepped back: the window is closed again
        assert decide(await desk.ask(proposal("a")), "a")["action"] == "drop"

    asyncio.run(run())


def test_a_window_that_opens_while_a_request_waits_leaves_it_without_a_lease() -> None:
    window = {"name": "w", "zone": "UTC", "days": ["fri"], "from": "03:05", "to": "04:00"}

    async def run() -> None:
        desk = make_desk(make_policy(WindowEngine(), schedule=parse_windows([window])))
        desk.log.gate.clear()
        waiting = asyncio.create_task(desk.ask(proposal("a")))
        await settle_tasks()
        desk.clock.wall_us = parse_time("2026-01-02T03:05:00.000000Z")
        desk.log.gate.set()
        assert decide(await waiting, "a")["lease"] is None

    asyncio.run(run())


def test_a_certificate_that_ends_soon_bounds_only_its_own_leases() -> None:
    async def run() -> None:
        desk = make_desk()
        await desk.ask(proposal("a"))
        desk.certificate_ends_us = NOW_US + 60_000_000
        short = decide(await desk.ask(proposal("a")), "a")["lease"]
        assert parse_time(short["expires"]) == NOW_US + 60_000_000
        assert short["ttl_seconds"] <= 60
        desk.certificate_ends_us = FAR_US
        whole = decide(await desk.ask(proposal("a")), "a")["lease"]
        assert parse_time(whole["expires"]) == NOW_US + 300_000_000

    asyncio.run(run())


def test_a_certificate_bounds_leases_as_of_the_answer_not_of_the_request() -> None:
    async def run() -> None:
        long = RuleVerdict("permit", "drop", 0, ttl_seconds=86_400)
        desk = make_desk(make_policy(FakeEngine(answers={"a": long})))
        desk.certificate_ends_us = NOW_US + DAY_US + 1_000_000
        desk.log.gate.clear()
        waiting = asyncio.create_task(desk.ask(proposal("a")))
        await settle_tasks()
        desk.clock.advance(30)
        desk.log.gate.set()
        lease = decide(await waiting, "a")["lease"]
        assert parse_time(lease["expires"]) <= desk.certificate_ends_us

    asyncio.run(run())


def test_senders_of_other_regions_share_no_verdict() -> None:
    async def run() -> None:
        engine = FakeEngine()
        desk = make_desk(make_policy(engine))
        await desk.ask(proposal("a"))
        await desk.ask(proposal("a"), sender=Sender("production", "us-east-1", "unlisted"))
        assert len(engine.asked) == 2
        assert {payload.region for payload in desk.log.payloads.values()} == {
            "eu-west-1",
            "us-east-1",
        }

    asyncio.run(run())


@pytest.mark.parametrize("characters", [1, 100, 2048])
def test_a_thousand_classes_with_long_reasons_fit_into_entries(characters: int) -> None:
    async def run() -> None:
        reason = Reason(
            "C" * min(characters, 256), "r", "hard", "\N{SNOWMAN}" * characters, "m" * characters
        )
        verdict = RuleVerdict("protect", "keep", 1000, (reason, reason))
        engine = FakeEngine(decide=lambda process_class: verdict)
        desk = make_desk(make_policy(engine))
        answer = await desk.ask(*[proposal(f"p{i}") for i in range(1000)])
        assert max(map(len, desk.log.entries)) <= MAX_ENTRY_BYTES
        assert len(answer["verdicts"]) == 1000
        verify_answer_recorded(desk.log, answer)
        warm = await desk.ask(*[proposal(f"p{i}") for i in range(1000)])
        assert len(desk.log.entries[warm["entries"][0]["index"]]) <= MAX_ENTRY_BYTES
        verify_answer_recorded(desk.log, warm)

    asyncio.run(run())


def test_evaluations_pin_what_a_replay_needs() -> None:
    async def run() -> Desk:
        desk = make_desk()
        await desk.ask(proposal("a", score=0.3))
        return desk

    desk = asyncio.run(run())
    [evaluation] = desk.log.bodies("evaluations")
    assert evaluation["engine"] == {"name": "fake", "version": "1"}
    assert evaluation["context"] == {"time": "2026-01-02T03:04:05.000006Z", "windows": []}
    [(class_id, payload)] = desk.log.payloads.items()
    assert class_id == evaluation["items"][0]["class"]  # type: ignore[index, call-overload]
    assert b'"score":500' in payload.plaintext


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"proposals":[]}', b'{"proposals":1}'])
def test_malformed_bodies_are_refused_and_leave_no_entry(raw: bytes) -> None:
    async def run() -> None:
        desk = make_desk()
        with pytest.raises(InputError):
            await desk.ask_raw(raw)
        assert len(desk.log.entries) == 1

    asyncio.run(run())


def test_no_proposal_lowers_what_the_floor_keeps_even_when_warm() -> None:
    async def run() -> None:
        engine = FakeEngine(decide=lambda c: RuleVerdict("permit", c.action, c.sample_permille))
        desk = make_desk(make_policy(engine))
        for _ in range(2):
            answer = await desk.ask(
                proposal("patient-data-service-7"),
                proposal("PAYMENT-GATEWAY-1", "sample", sample_rate=0.001),
            )
            assert {v["action"] for v in answer["verdicts"]} == {"keep"}
            assert {v["effect"] for v in answer["verdicts"]} == {"overridden"}

    asyncio.run(run())


def test_the_body_is_read_by_the_policy_that_decides() -> None:
    """A duplicate name: the last counts, in the class as in the verdict."""

    async def run() -> None:
        desk = make_desk()
        raw = body(proposal("a")).replace(
            b'"process":', b'"process":{"process.executable.name":"x"},"process":'
        )
        raw = raw.replace(b'"action": "drop"', b'"action": "drop", "action": "keep"')
        answer = await desk.ask_raw(raw)
        assert answer["verdicts"][0]["action"] == "keep"
        [payload] = desk.log.payloads.values()
        assert b'"process.executable.name":"a"' in payload.plaintext
        assert b'"action":"keep"' in payload.plaintext

    asyncio.run(run())


@pytest.mark.parametrize(
    "other",
    [
        proposal("b"),
        proposal("a", "keep"),
        proposal("a", "sample", sample_rate=0.5),
        proposal("a", score=0.3),
        proposal("a", profile="p"),
    ],
)
def test_a_warm_class_answers_for_no_other(other: dict[str, Any]) -> None:
    async def run() -> None:
        engine = FakeEngine()
        desk = make_desk(make_policy(engine))
        await desk.ask(proposal("a", score=0.1))
        await desk.ask({"score": 0.1, **other})
        assert len(engine.asked) == 2
        await desk.ask(proposal("a", score=0.2))  # the same bucket
        assert len(engine.asked) == 2

    asyncio.run(run())
