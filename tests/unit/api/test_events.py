"""The event stream, driven as ASGI: httpx gathers a whole answer, and this one never ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message

from gateway.identity.subject import Role
from gateway.wire.verdicts import PolicyRef
from tests.fakes.api import SUBJECTS, Service
from tests.fakes.outer import STREAMS

ENGINE = SUBJECTS[Role.ENGINE]


@dataclass
class Listener:
    """One reader of the stream. Clear `reads` and it takes nothing more."""

    task: "asyncio.Task[None]"
    sent: "asyncio.Queue[Message]"
    leave: asyncio.Event
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self, seconds: float = 2.0) -> Message:
        async with asyncio.timeout(seconds):
            return await self.sent.get()

    async def body(self) -> str:
        message = await self.next()
        assert message["type"] == "http.response.body", message
        return bytes(message["body"]).decode()

    async def event(self) -> tuple[int, str]:
        """The next policy event's number and revision; heartbeats are passed over."""
        while (text := await self.body()).startswith(":"):
            pass
        head, data, *end = text.split("\n")
        assert (head, end) == ("event: policy", ["", ""])
        value = json.loads(data.removeprefix("data: "))
        assert set(value) == {"activation", "revision"}
        return value["activation"], value["revision"]

    async def end(self) -> Message:
        """The last message."""
        while (message := await self.next()).get("more_body", True):
            pass
        async with asyncio.timeout(2):
            await self.task
        return message


@asynccontextmanager
async def listening(service: Service, uri: str = ENGINE) -> AsyncIterator[Listener]:
    sent: asyncio.Queue[Message] = asyncio.Queue()
    leave, reads = asyncio.Event(), asyncio.Event()
    reads.set()
    asked: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await reads.wait()
        sent.put_nowait(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/events",
        "query_string": b"",
        "headers": [],
        "extensions": {"tls": {"client_cert_der": uri.encode()}},
    }

    async def serve() -> None:
        await service.app(scope, receive, send)

    task = asyncio.create_task(serve())
    listener = Listener(task, sent, leave, reads)
    try:
        yield listener
    finally:
        leave.set()
        reads.set()
        async with asyncio.timeout(2):
            await task


def run(scenario: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario(Service()))


def ref(activation: int, revision: str = "8-00bb") -> PolicyRef:
    return PolicyRef(activation, revision, "b" * 64, "f" * 64)


@pytest.mark.parametrize("role", [Role.COLLECTOR, Role.OPERATOR, Role.ENGINE])
def test_the_policy_in_force_is_told_on_connecting_and_each_change_at_once(role: Role) -> None:
    async def scenario(service: Service) -> None:
        async with listening(service, SUBJECTS[role]) as listener:
            head = await listener.next()
            assert head["status"] == 200
            headers = dict(head["headers"])
            assert headers[b"content-type"].startswith(b"text/event-stream")
            assert headers[b"cache-control"] == b"no-store"
            assert b"content-length" not in headers
            assert await listener.event() == (3, "7-00aa")
            for number in (4, 5, 6):
                started = asyncio.get_running_loop().time()
                service.outer.feed.publish(ref(number))
                assert await listener.event() == (number, "8-00bb")
                assert asyncio.get_running_loop().time() - started < 1

    run(scenario)


def test_the_same_revision_under_another_number_is_a_change() -> None:
    """v5, v6, v5 again must end every lease of the first v5."""

    async def scenario(service: Service) -> None:
        async with listening(service) as listener:
            await listener.next()
            assert await listener.event() == (3, "7-00aa")
            service.outer.feed.publish(ref(9, "7-00aa"))
            assert await listener.event() == (9, "7-00aa")

    run(scenario)


def test_a_heartbeat_comes_while_nothing_changes() -> None:
    async def scenario(service: Service) -> None:
        async with listening(service) as listener:
            await listener.next()
            await listener.event()
            started = asyncio.get_running_loop().time()
            assert [(await listener.body())[0] for _ in range(2)] == [":", ":"]
            took = asyncio.get_running_loop().time() - started
            assert took >= 1.5 * STREAMS.heartbeat_seconds

    run(scenario)


def test_a_stream_ends_when_its_certificate_may_not_act_any_more() -> None:
    async def scenario(service: Service) -> None:
        async with listening(service) as listener:
            await listener.next()
            await listener.event()
            service.trust.cut_off[ENGINE] = "the certificate is revoked"
            service.outer.feed.publish(ref(4))
            message = await listener.end()
            assert message["body"] == b""  # nothing of what came after it was revoked

    run(scenario)


def test_the_certificate_is_looked_at_without_any_change_too() -> None:
    async def scenario(service: Service) -> None:
        async with listening(service) as listener:
            await listener.next()
            await listener.event()
            service.trust.cut_off[ENGINE] = "the certificate has expired"
            async with asyncio.timeout(STREAMS.check_seconds * 3):
                await listener.end()

    run(scenario)


def test_streams_end_when_the_gateway_stops() -> None:
    async def scenario(service: Service) -> None:
        async with listening(service) as listener:
            await listener.next()
            await listener.event()
            service.outer.feed.close()
            await listener.end()

    run(scenario)


def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    async def scenario(service: Service) -> None:
        async with listening(service) as listener:
            await listener.next()
            await listener.event()
            listener.reads.clear()
            async with asyncio.timeout(STREAMS.heartbeat_seconds + STREAMS.send_seconds + 2):
                await listener.task
            assert listener.sent.empty()

    run(scenario)


def test_who_leaves_frees_the_place_and_so_does_who_is_cut_off() -> None:
    async def scenario(service: Service) -> None:
        for _ in range(3 * STREAMS.streams_per_subject):
            async with listening(service) as listener:
                assert (await listener.next())["status"] == 200

    run(scenario)


def test_a_subject_has_so_many_streams_and_no_more() -> None:
    async def scenario(service: Service) -> None:
        listeners = [listening(service) for _ in range(STREAMS.streams_per_subject)]
        for each in listeners:
            listener = await each.__aenter__()
            assert (await listener.next())["status"] == 200
        async with listening(service) as refused:
            assert (await refused.next())["status"] == 503
        async with listening(service, SUBJECTS[Role.OPERATOR]) as other:
            assert (await other.next())["status"] == 200
        for each in listeners:
            await each.__aexit__(None, None, None)

    run(scenario)
