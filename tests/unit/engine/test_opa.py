"""The engine against a server that answers anything at all: keep, and go on."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.engine.opa import EngineLimits, OpaEngine
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.engine.question import encode_question, propose
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, project
from tests.fakes.opa_server import (
    EXPECTED,
    NAME,
    REVISION,
    PretendOpa,
    Reply,
    answer,
    http,
    permits,
    pretend_opa,
)

SENDER = Sender("production", "eu-west-1", "central")
DECLARATION = ClassDeclaration(("process.executable.name",), (500, 1000))
LIMITS = EngineLimits(deadline_seconds=0.6)
PERMIT = RuleVerdict("permit", "drop", 0)

REASON = {"control": "c", "rule": "r", "level": "hard", "message": "m"}


def drop(name: str, sender: Sender = SENDER) -> ProcessClass:
    return project(DECLARATION, sender, {"process.executable.name": name}, "drop")


def converse(
    scenario: Callable[[OpaEngine, PretendOpa], Awaitable[None]], limits: EngineLimits = LIMITS
) -> None:
    async def over() -> None:
        async with pretend_opa() as (server, address):
            engine = OpaEngine(address, EXPECTED, limits)
            await engine.open()
            try:
                await scenario(engine, server)
            finally:
                await engine.aclose()

    asyncio.run(over())


def with_members(**members: Any) -> Reply:
    return lambda question: answer([{**item, **members} for item in permits(question)])


def without(member: str) -> Reply:
    return lambda question: answer(
        [{k: v for k, v in item.items() if k != member} for item in permits(question)]
    )


def replaced(old: str, new: str) -> Reply:
    """A right answer with some text in it exchanged, for what `json` would not write."""

    def reply(question: dict[str, Any]) -> bytes:
        body = answer(permits(question)).partition(b"\r\n\r\n")[2].decode()
        assert old in body
        return http(body.replace(old, new).encode())

    return reply


def provenance(**members: Any) -> Reply:
    return lambda question: http(json.dumps({"result": permits(question), **members}).encode())


def bundles(found: dict[str, str]) -> Reply:
    return lambda question: answer(permits(question), found)


NONSENSE: dict[str, tuple[str, Reply]] = {
    "not JSON": ("malformed", lambda _: http(b"<html>hello</html>")),
    "nothing": ("malformed", lambda _: http(b"")),
    "invalid UTF-8": (
        "malformed",
        lambda q: answer([{**permits(q)[0], "reasons": [{**REASON, "message": "12345"}]}]).replace(
            b"12345", b"\xff\xfe123"
        ),
    ),
    "a list": ("malformed", lambda _: http(b"[]")),
    "deep JSON": ("malformed", lambda _: http(b"[" * 200_000 + b"]" * 200_000)),
    "deep result": (
        "malformed",
        lambda _: http(
            b'{"provenance":{"bundles":{"policies.tar.gz":{"revision":"7-0123456789abcdef"}}},"result":'
            + b"[" * 200_000
            + b"]" * 200_000
            + b"}"
        ),
    ),
    "NaN": ("malformed", replaced('"sample_permille": 0', '"sample_permille": NaN')),
    "huge body": ("malformed", lambda _: http(b" " * 2_000_000)),
    "undefined": (
        "undefined",
        lambda _: answer(None).replace(b'"result": null', b'"x": 123456789'),
    ),
    "result null": ("malformed", lambda _: answer(None)),
    "result false": ("malformed", lambda _: answer(False)),
    "result {}": ("malformed", lambda _: answer({})),
    "no verdicts": ("missing", lambda _: answer([])),
    "verdict is text": ("missing", lambda _: answer(["permit"])),
    "ref is a number": ("missing", with_members(ref=0)),
    "extra ref": ("malformed", lambda q: answer([*permits(q), {**permits(q)[0], "ref": "x"}])),
    "duplicate ref": ("duplicate", lambda q: answer([*permits(q), *permits(q)])),
    "no provenance": ("wrong_revision", provenance()),
    "provenance is a list": ("malformed", provenance(provenance=[])),
    "other revision": ("wrong_revision", bundles({NAME: "6-0123456789abcdef"})),
    "other bundle": ("wrong_revision", bundles({"other": REVISION})),
    "a bundle more": ("wrong_revision", bundles({NAME: REVISION, "more": "1"})),
    "unknown decision": ("malformed", with_members(decision="allow")),
    "decision true": ("malformed", with_members(decision=True)),
    "permit of another action": ("malformed", with_members(action="sample", sample_permille=5)),
    "permit of another share": ("malformed", with_members(sample_permille=1)),
    "action and share disagree": ("malformed", with_members(decision="protect", action="keep")),
    "share past 1000": (
        "malformed",
        with_members(decision="protect", action="keep", sample_permille=1001),
    ),
    "share is a float": ("malformed", with_members(sample_permille=0.0)),
    "share 2^53+1": ("malformed", with_members(sample_permille=2**53 + 1)),
    "share is text": ("malformed", with_members(sample_permille="0")),
    "no reasons": ("malformed", without("reasons")),
    "no obligations": ("malformed", without("obligations")),
    "a member more": ("malformed", with_members(allow=True)),
    "ttl 0": ("malformed", with_members(ttl_seconds=0)),
    "ttl past a day": ("malformed", with_members(ttl_seconds=86_401)),
    "ttl null": ("malformed", with_members(ttl_seconds=None)),
    "unknown obligation": ("malformed", with_members(obligations=[{"type": "shred"}])),
    "untyped obligation": ("malformed", with_members(obligations=[{}])),
    "empty regions": (
        "malformed",
        with_members(obligations=[{"type": "allowed_regions", "regions": []}]),
    ),
    "retain nothing": ("malformed", with_members(obligations=[{"type": "retain_days"}])),
    "unknown level": (
        "malformed",
        with_members(reasons=[{"control": "c", "rule": "r", "level": "fatal", "message": "m"}]),
    ),
    "long verdict": (
        "malformed",
        with_members(
            reasons=[{"control": "c", "rule": "r", "level": "hard", "message": "m" * 1000}] * 50
        ),
    ),
    "500 without a word": ("malformed", lambda _: http(b"", "500 Internal Server Error")),
    "500 of a built-in": (
        "builtin_error",
        lambda _: http(
            b'{"code":"internal_error","errors":[{"code":"eval_builtin_error"}]}', "500 Error"
        ),
    ),
    "401": ("unreachable", lambda _: http(b'{"code":"unauthorized"}', "401 Unauthorized")),
    "redirect": ("malformed", lambda _: http(b"", "307 See", "Location: http://127.0.0.1:1/\r\n")),
    "hangs up": ("unreachable", lambda _: b""),
    "cut off": ("timeout", lambda q: answer(permits(q))[:-20]),
    "not HTTP": ("unreachable", lambda _: b"SSH-2.0-OpenSSH\r\n\r\n"),
    "never answers": ("timeout", lambda _: b"hang"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_fails_the_class_and_right_answers_count_again(name: str) -> None:
    code, nonsense = NONSENSE[name]

    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        server.reply = nonsense
        assert await engine.evaluate(SENDER, [], [drop("a")]) == [EngineFailure(code)]
        server.reply = lambda question: answer(permits(question))
        assert await engine.evaluate(SENDER, [], [drop("a")]) == [PERMIT]

    converse(scenario)


def test_the_right_answer_counts() -> None:
    """The guard of the table above: what it spoils is otherwise accepted, whole."""
    members = {
        "reasons": [
            {"control": "c", "rule": "r", "level": "soft", "message": "m", "remediation": "x"}
        ],
        "obligations": [
            {"type": "retain_days", "at_most": 30},
            {"type": "full_audit"},
            {"type": "encrypt"},
            {"type": "allowed_regions", "regions": ["eu-west-1"]},
            {"type": "mask", "attributes": ["process.owner"]},
        ],
        "ttl_seconds": 86_400,
    }

    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        server.reply = with_members(**members)
        [found] = await engine.evaluate(SENDER, [], [drop("a")])
        assert isinstance(found, RuleVerdict)
        assert list(found.obligations) == members["obligations"]
        assert (found.ttl_seconds, found.reasons[0].level) == (86_400, "soft")
        assert await engine.connect() is None
        assert engine.version.version == "1.22.2"

    converse(scenario)


@pytest.mark.parametrize("share", [0, 299])
def test_a_protect_below_the_proposal_is_refused(share: int) -> None:
    action = "sample" if share else "drop"
    sampled = project(DECLARATION, SENDER, {}, "sample", 0.3)

    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        server.reply = with_members(decision="protect", action=action, sample_permille=share)
        assert await engine.evaluate(SENDER, [], [sampled]) == [EngineFailure("malformed")]
        server.reply = with_members(decision="protect", action="sample", sample_permille=301)
        [found] = await engine.evaluate(SENDER, [], [sampled])
        assert found == RuleVerdict("protect", "sample", 301)

    converse(scenario)


def test_only_what_stands_in_the_class_is_sent() -> None:
    asked: list[dict[str, Any]] = []

    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        def reply(question: dict[str, Any]) -> bytes:
            asked.append(question)
            return answer(permits(question))

        server.reply = reply
        await engine.evaluate(SENDER, ["b", "a", "b"], [drop("log-shipper")])
        assert (
            "POST /v1/data/main/verdicts?provenance=true&strict-builtin-errors=true"
            in (server.requests[0])
        )
        assert "authorization: bearer secret-token" in server.requests[0].lower()

    converse(scenario)
    ref = asked[0]["proposals"][0].pop("ref")
    assert ref.startswith("0-")
    assert asked == [
        {
            "subject": {"environment": "production", "region": "eu-west-1", "tier": "central"},
            "context": {"time": {"windows": ["a", "b"]}},
            "proposals": [
                {
                    "process": {"process.executable.name": "log-shipper"},
                    "action": "drop",
                    "sample_permille": 0,
                    "score": 1000,
                    "profile": "",
                }
            ],
        }
    ]


def test_a_proposal_holds_what_the_canonical_bytes_hold() -> None:
    asked = project(
        DECLARATION,
        SENDER,
        {"process.executable.name": 'ü"\\\n', "more": "x"},
        "sample",
        0.07,
        0.3,
        "p",
    )
    content = json.loads(asked.canonical())
    question = json.loads(encode_question(SENDER, [], {"r": propose(SENDER, asked)}))["input"]
    [proposal] = question["proposals"]
    assert proposal.pop("ref") == "r"
    assert {**proposal, **question["subject"]} == {
        ("process" if name == "attributes" else name): value for name, value in content.items()
    }


def test_classes_that_cannot_be_asked_fail_alone() -> None:
    other = drop("a", Sender("staging", "eu-west-1", "central"))

    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        classes = [drop("a"), other, drop("\ud800"), drop("b")]
        bad = EngineFailure("malformed")
        assert await engine.evaluate(SENDER, [], classes) == [PERMIT, bad, bad, PERMIT]

    converse(scenario)


def test_one_slow_class_leaves_time_for_the_others() -> None:
    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        def reply(question: dict[str, Any]) -> bytes:
            names = [item["process"]["process.executable.name"] for item in question["proposals"]]
            return b"hang" if "slow" in names else answer(permits(question))

        server.reply = reply
        names = [f"n{n}" for n in range(200)] + ["slow"] + [f"m{n}" for n in range(200)]
        started = asyncio.get_running_loop().time()
        found = await engine.evaluate(SENDER, [], [drop(name) for name in names])
        assert asyncio.get_running_loop().time() - started < 3.0
        assert found == [PERMIT] * 200 + [EngineFailure("timeout")] + [PERMIT] * 200

    converse(scenario, EngineLimits(deadline_seconds=2.0))


def test_the_deadline_holds_when_nothing_answers() -> None:
    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        server.reply = lambda _: b"hang"
        started = asyncio.get_running_loop().time()
        found = await engine.evaluate(SENDER, [], [drop(f"n{n}") for n in range(300)])
        assert asyncio.get_running_loop().time() - started < 1.5
        assert set(found) == {EngineFailure("timeout")}

    converse(scenario)


def test_values_do_not_reach_error_texts() -> None:
    async def scenario(engine: OpaEngine, server: PretendOpa) -> None:
        server.reply = with_members(decision="alice@example.org")
        [found] = await engine.evaluate(SENDER, [], [drop("a")])
        assert isinstance(found, EngineFailure)
        assert "$.decision" in found.detail
        assert "alice" not in found.detail

    converse(scenario)
