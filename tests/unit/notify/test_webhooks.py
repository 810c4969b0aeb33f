"""Webhooks: sent, signed, tried again within bounds, and never in the way."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.changes.scope import parse_protection
from gateway.changes.state import Governance
from gateway.clock import ManualClock
from gateway.errors import ConfigError
from gateway.notify.webhooks import (
    MAX_WAITING,
    SIGNATURE_HEADER,
    Delivery,
    Notices,
    open_client,
    read_key,
    verify_address,
)
from tests.fakes.changes import ANN, Queue

URL = "https://hooks.example.org/services/very-secret"
KEY = b"k" * 32

Answer = Callable[[httpx.Request], httpx.Response]


async def _states() -> tuple[Governance, Governance]:
    queue = Queue()
    await queue.begin()
    before = queue.state
    await queue.service.protect(ANN, parse_protection("glob", "ledger-*", "an audit", ""))
    return before, queue.state


def deliver(answer: Answer, key: bytes = b"") -> list[float]:
    """Tells once, and gives the pauses between the attempts."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> None:
        states = await _states()
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            notices = Notices([URL], client, ManualClock(), key, Delivery(), sleep)
            sending = asyncio.create_task(notices.run())
            notices.tell(*states)
            await notices.drain()
            sending.cancel()

    asyncio.run(run())
    return pauses


def test_a_message_says_what_waits_and_is_signed() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(204)

    assert deliver(answer, KEY) == []
    [request] = sent
    value = json.loads(request.content)
    assert value.keys() == {"type", "id", "title", "waits_for", "time"}
    assert value["title"] == "protection: glob ledger-*"
    digest = hmac.new(KEY, request.content, hashlib.sha256).hexdigest()
    assert request.headers[SIGNATURE_HEADER] == f"sha256={digest}"


def test_without_a_key_nothing_looks_signed() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    deliver(answer)
    assert SIGNATURE_HEADER not in sent[0].headers


@pytest.mark.parametrize("fault", [503, 429, 500, "connection"])
def test_a_fault_is_tried_again_and_given_up_in_the_end(fault: int | str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(fault, int):
            return httpx.Response(fault)
        raise httpx.ConnectError("refused", request=request)

    with capture_logs() as logs:
        assert deliver(answer) == [1.0, 2.0, 4.0, 8.0]
    [line] = logs
    assert line["event"] == "notice not delivered"
    assert "secret" not in str(line)


@pytest.mark.parametrize("status", [400, 404, 301])
def test_a_refusal_is_final(status: int) -> None:
    with capture_logs():
        assert deliver(lambda request: httpx.Response(status)) == []


def test_it_goes_through_on_a_later_attempt() -> None:
    statuses = iter([503, 200])
    assert deliver(lambda request: httpx.Response(next(statuses))) == [1.0]


def test_telling_never_waits_and_never_fails() -> None:
    async def run() -> None:
        states = await _states()
        async with httpx.AsyncClient() as client:
            notices = Notices([URL], client, ManualClock())
            for _ in range(MAX_WAITING + 3):
                notices.tell(*states)

    with capture_logs() as logs:
        asyncio.run(run())
    assert [line["event"] for line in logs] == ["notice dropped"] * 3


@pytest.mark.parametrize(
    "url",
    ["https://hooks.example.org/x", "http://127.0.0.1:9/x", "http://[::1]/", "http://localhost/"],
)
def test_good_addresses(url: str) -> None:
    verify_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/secret",
        "http://10.0.0.1/secret",
        "ftp://hooks.example.org/secret",
        "https://user:secret@hooks.example.org/",
        "https:///secret",
        "secret",
        "http://[::1/secret",
    ],
)
def test_an_address_that_would_carry_it_in_clear_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"notices\.webhooks") as found:
        verify_address(url)
    assert "secret" not in str(found.value)


def test_keys_and_authorities_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert read_key(None) == b""
    with pytest.raises(ConfigError, match=r"notices\.key"):
        read_key(path)
    path.write_bytes(b"short\n")
    with pytest.raises(ConfigError, match="fewer than 16"):
        read_key(path)
    path.write_bytes(KEY + b"\n")
    assert read_key(path) == KEY
    with pytest.raises(ConfigError, match=r"notices\.ca"):
        open_client(tmp_path / "none.pem")
