"""The remote engine over servers that come, go, fall behind and are exchanged."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.engine.client import OpaAddress
from gateway.engine.opa import EngineLimits
from gateway.engine.port import EngineFailure, EngineVersion, RuleVerdict
from gateway.engine.remote import RemoteLimits, RemoteOpa, parse_server
from gateway.errors import ConfigError, EngineError
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, project
from tests.fakes.opa_server import EXPECTED, NAME, REVISION, answer, permits, pretend_opa

SENDER = Sender("production", "eu-west-1", "central")
DECLARATION = ClassDeclaration(("process.executable.name",), (500, 1000))
LIMITS = RemoteLimits(
    probe_every_seconds=0.05,
    first_backoff_seconds=0.01,
    max_backoff_seconds=0.05,
    first_probe_seconds=1.0,
    engine=EngineLimits(deadline_seconds=1.0),
)
PERMIT = RuleVerdict("permit", "drop", 0)


@dataclass
class Server:
    """What one pretended OPA says: its bundles and version; `asked` counts questions."""

    bundles: dict[str, str] = field(default_factory=lambda: dict(EXPECTED))
    version: str = "1.22.2"
    asked: int = 0
    hangs: bool = False

    def reply(self, question: dict[str, Any]) -> bytes:
        if question["proposals"]:
            self.asked += 1
            if self.hangs:
                return b"hang"
        body = answer(permits(question), self.bundles)
        return body.replace(b'"1.22.2"', b'"%b"' % self.version.encode())


Scenario = Callable[[RemoteOpa, list[Server]], Awaitable[None]]


def converse(scenario: Scenario, servers: list[Server], others: tuple[str, ...] = ()) -> None:
    async def over() -> None:
        async with AsyncExitStack() as stack:
            addresses = []
            for server in servers:
                pretend, address = await stack.enter_async_context(pretend_opa())
                pretend.reply = server.reply
                addresses.append(address)
            engine = RemoteOpa(addresses, EXPECTED, others, LIMITS)
            stack.push_async_callback(engine.aclose)
            await engine.start()
            await scenario(engine, servers)

    asyncio.run(over())


def drops(count: int = 1) -> list[ProcessClass]:
    return [
        project(DECLARATION, SENDER, {"process.executable.name": f"p{n}"}, "drop")
        for n in range(count)
    ]


async def eventually(is_met: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_met():  # noqa: ASYNC110 - the servers are other tasks of this loop
            await asyncio.sleep(0.01)


def test_the_servers_take_turns() -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        for _ in range(9):
            assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]
        assert [server.asked for server in servers] == [3, 3, 3]
        assert engine.version == EngineVersion("opa", "1.22.2")
        assert await engine.health() is None
        assert engine.problems() == {}

    converse(scenario, [Server(), Server(), Server()])


@pytest.mark.parametrize(
    "bundles",
    [
        {},
        {NAME: ""},
        {NAME: "8-other"},
        {NAME: REVISION, "unknown": "1"},
        {"other-name": REVISION},
        {"theirs": "1"},
    ],
)
def test_a_server_that_says_another_revision_is_never_believed(bundles: dict[str, str]) -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        assert await engine.evaluate(SENDER, [], drops()) == [EngineFailure("wrong_revision")]
        assert servers[0].asked == 0  # known from the probe: it is not even asked
        assert "wrong_revision" in (await engine.health() or "")
        with pytest.raises(EngineError, match="wrong_revision"):
            await engine.wait_for_revision(0.1)

    converse(scenario, [Server(bundles)], others=("theirs",))


def test_named_bundles_of_the_user_s_may_be_there_too() -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]
        servers[0].bundles["theirs"] = "5"  # whatever its revision
        assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]

    converse(scenario, [Server({**EXPECTED, "theirs": "4"})], others=("theirs",))


def test_naming_our_own_bundle_among_the_others_changes_nothing() -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        assert await engine.evaluate(SENDER, [], drops()) == [EngineFailure("wrong_revision")]
        servers[0].bundles = dict(EXPECTED)
        assert await engine.wait_for_revision(5) == []
        assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]

    converse(scenario, [Server({NAME: "8-other"})], others=(NAME,))


def test_a_revision_that_changes_between_two_probes_is_seen_in_the_answer() -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        servers[0].bundles = {NAME: "8-other"}
        found = await engine.evaluate(SENDER, [], drops())
        assert found == [EngineFailure("wrong_revision")]

    converse(scenario, [Server()])


def test_one_that_fell_behind_is_passed_over_within_the_question_and_comes_back() -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        for server in servers:
            server.bundles = {NAME: "8-other"} if server is servers[0] else dict(EXPECTED)
        for _ in range(4):
            assert await engine.evaluate(SENDER, [], drops(3)) == [PERMIT] * 3
        assert len(engine.problems()) == 1
        assert len(await engine.wait_for_revision(0.05)) == 1
        servers[0].bundles = dict(EXPECTED)
        assert await engine.wait_for_revision(5) == []
        before = servers[0].asked
        for _ in range(2):
            await engine.evaluate(SENDER, [], drops())
        assert servers[0].asked == before + 1

    converse(scenario, [Server(), Server()])


def test_wait_for_revision_returns_when_the_server_has_switched() -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        waiting = asyncio.create_task(engine.wait_for_revision(5))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        servers[0].bundles = dict(EXPECTED)
        assert await waiting == []

    converse(scenario, [Server({NAME: "6-old"})])


def test_a_question_that_hangs_times_out_and_is_asked_nowhere_else() -> None:
    """A policy that loops on a class would hold every server in turn."""

    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        for server in servers:
            server.hangs = True
        started = asyncio.get_running_loop().time()
        assert await engine.evaluate(SENDER, [], drops()) == [EngineFailure("timeout")]
        assert asyncio.get_running_loop().time() - started < 1.5
        assert sum(server.asked for server in servers) == 1

    converse(scenario, [Server(), Server()])


def test_all_answers_come_from_one_version_of_opa() -> None:
    """The log pins the version beside the verdicts (P9)."""

    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        first = engine.version
        odd = next(server for server in servers if server.version != first.version)
        for _ in range(4):
            assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]
        assert odd.asked == 0
        assert any("unlike the others" in why for why in engine.problems().values())
        for server in servers:
            if server is not odd:
                server.bundles = {}
        await eventually(lambda: engine.version.version == odd.version)
        assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]
        assert odd.asked == 1

    converse(scenario, [Server(), Server(version="1.23.0")])


def test_an_opa_that_was_exchanged_is_met_anew_before_it_is_believed() -> None:
    async def scenario(engine: RemoteOpa, servers: list[Server]) -> None:
        servers[0].version = "1.23.0"
        assert await engine.evaluate(SENDER, [], drops()) == [EngineFailure("other_version")]
        await eventually(lambda: engine.version == EngineVersion("opa", "1.23.0"))
        assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]

    converse(scenario, [Server()])


def test_a_server_that_is_gone_fails_at_once_and_is_found_again_when_it_is_back() -> None:
    async def over() -> None:
        server = Server()
        async with pretend_opa() as (pretend, address):
            pretend.reply = server.reply
            engine = RemoteOpa([address], EXPECTED, (), LIMITS)
            await engine.start()
            assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]
        try:
            pretend.reply = lambda question: b""
            await eventually(lambda: bool(engine.problems()))
            assert await engine.evaluate(SENDER, [], drops()) == [EngineFailure("unreachable")]
            assert await engine.health() is not None
            again = await asyncio.start_server(pretend.serve, "127.0.0.1", address.port)
            pretend.reply = server.reply
            async with again:
                assert await engine.wait_for_revision(5) == []
                assert await engine.evaluate(SENDER, [], drops()) == [PERMIT]
        finally:
            await engine.aclose()

    asyncio.run(over())


def test_a_start_without_any_server_is_bounded_and_keeps_everything() -> None:
    async def over() -> None:
        engine = RemoteOpa([OpaAddress("127.0.0.1", 1)], EXPECTED, (), LIMITS)
        await engine.start()
        assert engine.version == EngineVersion("opa", "")
        assert await engine.evaluate(SENDER, [], drops()) == [EngineFailure("unreachable")]
        await engine.aclose()
        assert await engine.health() == "the engine is closed"

    asyncio.run(over())


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://opa.bank.test", "opa.bank.test", 443),
        ("https://127.0.0.1:8181/", "127.0.0.1", 8181),
        ("https://[::1]:8181", "[::1]", 8181),
    ],
)
def test_addresses(url: str, host: str, port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    address = parse_server(url, context, "t0ken")
    assert (address.host, address.port, address.tls) == (host, port, context)
    assert "t0ken" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://opa.bank.test",
        "opa.bank.test:8181",
        "https://",
        "https://user:secret@opa.bank.test",
        "https://opa.bank.test/v1",
        "https://opa.bank.test?x=1",
        "https://opa.bank.test:port",
        "https://opa.bank.test:99999",
        "https://[::1",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="https://HOST:PORT") as caught:
        parse_server(url, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("servers", "expected"), [([], EXPECTED), (["x"], {})])
def test_nothing_to_ask_or_to_expect_is_no_engine(
    servers: list[str], expected: dict[str, str]
) -> None:
    with pytest.raises(ConfigError):
        RemoteOpa([OpaAddress(host, 1) for host in servers], expected)
