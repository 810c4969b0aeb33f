import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.problems import ProblemError
from gateway.errors import InputError, TooLargeError
from tests.fakes.api import Service, trickle
from tests.fakes.decisions import body, proposal

JSON = {"content-type": "application/json"}
LIMITS = BodyLimits(max_bytes=100, timeout_seconds=0.2)


def read(headers: dict[str, str], *chunks: bytes, pause_seconds: float = 0.0) -> bytes:
    """The body as the server would hand it on."""

    async def run() -> bytes:
        parts: AsyncIterator[bytes] = trickle(*chunks, pause_seconds=pause_seconds)

        async def receive() -> Message:
            async for part in parts:
                if part == b"gone":
                    return {"type": "http.disconnect"}
                return {"type": "http.request", "body": part, "more_body": True}
            return {"type": "http.request", "body": b"", "more_body": False}

        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": raw}
        return await read_json_body(Request(scope, receive), LIMITS)

    return asyncio.run(run())


def test_pieces_become_one_body() -> None:
    assert read(JSON, b"{", b"}") == b"{}"
    assert read({"content-type": "Application/JSON; charset=utf-8"}, b"{}") == b"{}"
    assert read(JSON, b"x" * 100) == b"x" * 100


@pytest.mark.parametrize("declared", ["101", "9" * 18, "9" * 5000])
def test_a_body_that_says_it_is_too_large_is_not_read(declared: str) -> None:
    with pytest.raises(TooLargeError) as caught:
        read({**JSON, "content-length": declared}, b"{}")
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("declared", ["1", "0", "", "-1", "1e3", "\u00b2", "\u00b2\u00b2"])
def test_a_content_length_that_lies_does_not_lift_the_limit(declared: str) -> None:
    with pytest.raises(TooLargeError):
        read({**JSON, "content-length": declared}, b"x" * 60, b"x" * 41)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/jsonx"},
        {"content-type": "application/x-www-form-urlencoded"},
        {**JSON, "content-encoding": "gzip"},
        {**JSON, "content-encoding": "identity, gzip"},
    ],
)
def test_other_media_types_and_encodings_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ProblemError) as caught:
        read(headers, gzip.compress(b"{}"))
    assert caught.value.name == "unsupported-media-type"


def test_a_slow_body_is_given_up() -> None:
    with pytest.raises(ProblemError) as caught:
        read(JSON, *[b"x"] * 50, pause_seconds=0.05)
    assert caught.value.name == "timeout"


def test_a_client_that_leaves_is_an_input_error() -> None:
    with pytest.raises(InputError, match="ended before"):
        read(JSON, b"{", b"gone")


def test_the_limits_are_problems_with_their_status() -> None:
    service = Service(BodyLimits(max_bytes=200, timeout_seconds=0.1))

    async def talk(client: httpx.AsyncClient) -> list[int]:
        large = body(*[proposal("a")] * 10)
        answers = [
            await client.post("/v1/decisions", content=large, headers=JSON),
            await client.post("/v1/decisions", content=trickle(large), headers=JSON),
            await client.post("/v1/decisions", content=b"{}"),
            await client.post("/v1/decisions", content=b"{", headers=JSON),
            await client.post("/v1/ledger", content=b"{", headers=JSON),
        ]
        return [answer.status_code for answer in answers]

    assert service.run(talk) == [413, 413, 415, 400, 400]
    assert len(service.desk.log.entries) == 1
