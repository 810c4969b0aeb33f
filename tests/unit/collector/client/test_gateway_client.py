"""Whatever is not a full answer is GatewayUnavailable, with a sentence."""

import ssl
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from collector.client.gateway_client import (
    MAX_ANSWER_BYTES,
    GatewayClient,
    GatewayRefused,
    ProofRefused,
)
from collector.client.messages import MAX_BATCH, Proposal, split_batches
from collector.errors import ConfigError, GatewayUnavailable
from gateway.clock import ManualClock
from gateway.wire.ledger import Counters, LedgerReport
from tests.fakes.gateway import DECLARATION, FakeGateway

URL = "https://gateway.test"
BATCH = [
    Proposal("a", {"process.executable.name": "log-shipper"}, "drop", score=0.1),
    Proposal("b", {"process.executable.name": "cron"}, "sample", sample_rate=0.1),
]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gateway(clock: ManualClock) -> FakeGateway:
    return FakeGateway(clock)


@pytest.fixture
def client(gateway: FakeGateway, clock: ManualClock) -> GatewayClient:
    return GatewayClient(URL, gateway.open_http, clock)


def client_of(respond: Callable[[httpx.Request], httpx.Response]) -> GatewayClient:
    def open_http() -> httpx.Client:
        return httpx.Client(base_url=URL, transport=httpx.MockTransport(respond))

    return GatewayClient(URL, open_http, ManualClock())


def test_proposals_get_one_verdict_each_in_order(
    client: GatewayClient, gateway: FakeGateway
) -> None:
    answer = client.propose(BATCH)
    assert [ref for ref, _ in answer.refs] == ["a", "b"]
    assert answer.verdicts[1].sample_rate == 0.1
    # What is unset is not sent: `sample_rate` beside a drop would be malformed.
    assert "sample_rate" not in gateway.asked[0][0]


def test_the_other_routes_speak_the_formats(client: GatewayClient, gateway: FakeGateway) -> None:
    assert client.fetch_policy().declaration == DECLARATION
    report = LedgerReport("00", 1, "t", Counters(1, 1, 0, 0, 0, 0, {}))
    assert client.send_ledger(report).balanced
    assert gateway.reports[0]["counters"]["scraped"] == 1
    assert client.fetch_checkpoint() == gateway.checkpoint()
    assert len(client.fetch_consistency(1, 2)) == 1
    assert len(client.fetch_inclusion(0, 2)) == 1


def swap_refs(answer: dict[str, Any]) -> None:
    answer["refs"].reverse()


@pytest.mark.parametrize(
    "bend",
    [
        swap_refs,
        lambda answer: answer["refs"].pop(),
        lambda answer: answer["refs"].append(["c", 0]),
        lambda answer: answer["refs"].__setitem__(1, ["a", 0]),
        lambda answer: answer["refs"].__setitem__(1, ["b", 2]),
        lambda answer: answer["refs"].__setitem__(1, ["b", -1]),
        lambda answer: answer["verdicts"][0].__setitem__("action", "perhaps"),
        lambda answer: answer["verdicts"][0].__setitem__("sample_rate", "0"),
        lambda answer: answer["verdicts"][0].pop("effect"),
        lambda answer: answer.pop("policy"),
    ],
)
def test_an_answer_that_is_not_to_the_question_is_none(
    client: GatewayClient, gateway: FakeGateway, bend: Callable[[dict[str, Any]], None]
) -> None:
    gateway.bend = bend
    with pytest.raises(GatewayUnavailable, match="unusable"):
        client.propose(BATCH)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"null", b"\xff\xfe", b"[" * 100_000, b'{"refs":NaN}', b"<html>"]
)
def test_an_undecodable_answer_is_none(
    client: GatewayClient, gateway: FakeGateway, content: bytes
) -> None:
    gateway.answer_with = content
    with pytest.raises(GatewayUnavailable, match="not as agreed"):
        client.propose(BATCH)


def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    sent = 0

    def drip() -> Any:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    client = client_of(lambda _: httpx.Response(200, content=drip()))
    with pytest.raises(GatewayUnavailable, match="larger"):
        client.propose(BATCH)
    assert sent <= MAX_ANSWER_BYTES + 2 * 65_536


def test_an_answer_that_drips_for_too_long_is_given_up() -> None:
    clock = ManualClock()

    def drip() -> Any:
        while True:
            clock.advance(1)
            yield b" "

    http = httpx.Client(
        base_url=URL, transport=httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
    )
    with pytest.raises(GatewayUnavailable, match="longer than"):
        GatewayClient(URL, lambda: http, clock).propose(BATCH)


@pytest.mark.parametrize("status", [201, 204, 301, 400, 404, 500, 503])
def test_another_status_is_unavailable(
    client: GatewayClient, gateway: FakeGateway, status: int
) -> None:
    gateway.status = status
    with pytest.raises(GatewayUnavailable, match=str(status)) as raised:
        client.propose(BATCH)
    assert not isinstance(raised.value, GatewayRefused)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_told_apart(client: GatewayClient, gateway: FakeGateway, status: int) -> None:
    gateway.status = status
    with pytest.raises(GatewayRefused):
        client.propose(BATCH)


def test_a_proof_that_the_gateway_will_not_give_is_told_apart(client: GatewayClient) -> None:
    with pytest.raises(ProofRefused):
        client.fetch_consistency(1, 99)


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")]
)
def test_the_connection_is_opened_anew_after_a_failure(error: Exception) -> None:
    gateway = FakeGateway(ManualClock())
    opened = 0

    def open_http() -> httpx.Client:
        nonlocal opened
        opened += 1

        def respond(request: httpx.Request) -> httpx.Response:
            if opened == 1:
                raise error
            return gateway.handle(request)

        return httpx.Client(base_url=URL, transport=httpx.MockTransport(respond))

    client = GatewayClient(URL, open_http, ManualClock())
    with pytest.raises(GatewayUnavailable):
        client.propose(BATCH)
    assert client.propose(BATCH).refs
    assert opened == 2


def test_a_refused_handshake_is_a_refusal_and_a_cut_connection_is_not() -> None:
    def raising(cause: Exception) -> Callable[[httpx.Request], httpx.Response]:
        def respond(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadError("failed") from cause

        return respond

    with pytest.raises(GatewayRefused, match="do not accept each other"):
        client_of(raising(ssl.SSLError(1, "certificate revoked"))).propose(BATCH)
    with pytest.raises(GatewayUnavailable) as raised:
        client_of(raising(ssl.SSLEOFError(8, "eof"))).propose(BATCH)
    assert not isinstance(raised.value, GatewayRefused)


def test_a_pem_file_that_went_bad_keeps_instead_of_ending_the_run() -> None:
    def open_http() -> httpx.Client:
        raise ConfigError("gateway.key x.pem cannot be used")

    with pytest.raises(GatewayUnavailable, match=r"gateway\.key"):
        GatewayClient(URL, open_http, ManualClock()).fetch_policy()


def test_batches_hold_the_count_and_the_bytes() -> None:
    small = [Proposal(str(at), {}, "keep") for at in range(2 * MAX_BATCH + 1)]
    assert [len(batch) for batch in split_batches(small)] == [MAX_BATCH, MAX_BATCH, 1]
    large = [Proposal(str(at), {"a": "x" * 600_000}, "keep") for at in range(5)]
    batches = list(split_batches(large))
    assert [proposal for batch in batches for proposal in batch] == large
    assert all(len(msgspec.json.encode(batch)) < 2_000_000 for batch in batches)
    assert list(split_batches([])) == []
