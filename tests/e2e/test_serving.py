"""A real `gateway serve` over mutual TLS: who may call, what is answered and recorded."""

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.demo.workplace import OPERATOR, TRUST_DOMAIN
from gateway.identity.authority import create_domain, subject_files
from gateway.identity.tls import client_context
from gateway.transparency.merkle import verify_consistency, verify_inclusion
from tests.fakes.blocked_imports import modules_of_extra, run_blocked
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, live_gateway, proposals

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One gateway for the tests that do it no harm."""
    with live_gateway(tmp_path_factory.mktemp("serving") / "place") as running:
        yield running


@pytest.fixture
def collector(gateway: LiveGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.collector("collector-1")) as client:
        yield client


@pytest.fixture
def operator(gateway: LiveGateway) -> Iterator[httpx.Client]:
    with gateway.client(OPERATOR_URI) as client:
        yield client


def test_verdicts_are_given_and_stand_in_the_log(
    gateway: LiveGateway, collector: httpx.Client
) -> None:
    answer = collector.post("/v1/decisions", json=proposals(["log-shipper", "payment-gateway-eu"]))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    optional, protected = (body["verdicts"][place] for _, place in body["refs"])
    assert [ref for ref, _ in body["refs"]] == ["0:log-shipper", "1:payment-gateway-eu"]
    assert (optional["action"], optional["effect"]) == ("drop", "permitted")
    assert (protected["action"], protected["effect"]) == ("keep", "overridden")
    entries = {entry.seq: entry for entry in gateway.entries()}
    for named in body["entries"]:
        assert gateway.leaves()[named["index"]].hex() == named["leaf_hash"]
        assert entries[named["index"]].type == "decisions"


def test_wrong_role_is_refused_with_a_problem_and_an_entry(
    gateway: LiveGateway, operator: httpx.Client
) -> None:
    answer = operator.post("/v1/decisions", json=proposals(["log-shipper"]))
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:compliance-gateway:problem:forbidden"
    assert problem["request_id"] == answer.headers["x-request-id"]
    denial = next(entry for entry in reversed(gateway.entries()) if entry.type == "denial")
    assert denial.body["route"] == "POST /v1/decisions"
    assert denial.body["status"] == 403
    assert denial.actor == OPERATOR_URI or OPERATOR_URI in str(denial.body)


def test_no_certificate_is_no_connection(gateway: LiveGateway) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(gateway.workplace.folder / "keys" / "ca.pem")
    _assert_refused(gateway, context)


def test_certificate_of_another_ca_is_no_connection(gateway: LiveGateway, tmp_path: Path) -> None:
    create_domain(tmp_path / "keys", TRUST_DOMAIN, ("127.0.0.1",), SystemClock())
    certificate, key = subject_files(tmp_path / "keys", f"{OPERATOR}/operator-1", TRUST_DOMAIN)
    ca = gateway.workplace.folder / "keys" / "ca.pem"
    _assert_refused(gateway, client_context(certificate, key, ca))


def test_tls_1_2_is_no_connection(gateway: LiveGateway) -> None:
    certificate, key = gateway.workplace.subject(OPERATOR_URI)
    ca = gateway.workplace.folder / "keys" / "ca.pem"
    context = client_context(certificate, key, ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _assert_refused(gateway, context)


def test_gateway_with_another_ca_is_not_trusted(gateway: LiveGateway, tmp_path: Path) -> None:
    create_domain(tmp_path / "keys", TRUST_DOMAIN, ("127.0.0.1",), SystemClock())
    certificate, key = gateway.workplace.subject(OPERATOR_URI)
    context = client_context(certificate, key, tmp_path / "keys" / "ca.pem")
    with (
        httpx.Client(verify=context, trust_env=False) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(f"{gateway.workplace.url}/healthz")


def test_checkpoints_follow_from_each_other_and_hold_the_answers(
    gateway: LiveGateway, collector: httpx.Client
) -> None:
    old = gateway.checkpoint(collector)
    named = collector.post("/v1/decisions", json=proposals(["backup-service"])).json()["entries"][0]
    index, leaf = named["index"], bytes.fromhex(named["leaf_hash"])
    new = old
    while new.size <= index:  # the timeout of the test ends it
        new = gateway.checkpoint(collector)
    proof = _hashes(collector, f"consistency?from={old.size}&to={new.size}")
    verify_consistency(old.size, new.size, old.root, new.root, proof)
    path = _hashes(collector, f"inclusion?index={index}&size={new.size}")
    verify_inclusion(leaf, index, new.size, path, new.root)
    beyond = collector.get(f"/v1/checkpoint/inclusion?index={10**6}&size={10**6 + 1}")
    assert beyond.status_code == 400, beyond.text


def test_policy_names_what_is_in_force_and_what_it_reads(
    gateway: LiveGateway, collector: httpx.Client
) -> None:
    policy = collector.get("/v1/policy").json()
    activated = [entry for entry in gateway.entries() if entry.type == "bundle.activated"]
    assert [entry.seq for entry in activated] == [policy["activation"]]
    for name in ("bundle", "revision"):
        assert activated[0].body[name] == policy[name]
    assert "process.executable.name" in policy["class"]["attributes"]
    assert policy["class"]["score_edges"][-1] == 1000


def test_metrics_and_api_description_are_for_the_operator(
    gateway: LiveGateway, operator: httpx.Client, collector: httpx.Client
) -> None:
    collector.post("/v1/decisions", json=proposals(["update-agent"]))
    operator.get("/readyz")
    metrics = operator.get("/metrics").text
    assert re.search(r'^gateway_verdicts_total\{effect="permitted"\} [1-9]', metrics, re.MULTILINE)
    assert re.search(r"^gateway_ready 1\.0$", metrics, re.MULTILINE)
    assert re.search(r"^gateway_expected_unseen 0\.0$", metrics, re.MULTILINE)
    paths = operator.get("/openapi.json").json()["paths"]
    assert {"/v1/decisions", "/v1/ledger", "/v1/checkpoint", "/v1/policy"} <= set(paths)
    assert collector.get("/metrics").status_code == 403


def test_log_begins_with_its_opening_keys_activation_and_start(gateway: LiveGateway) -> None:
    types = [entry.type for entry in gateway.entries()]
    assert types[0] == "log.opened"
    assert {"bundle.activated", "gateway.started", "key.created"} <= set(types[:6])


def test_collector_checks_out_without_the_servers_packages(gateway: LiveGateway) -> None:
    """`collector check` over mutual TLS, where FastAPI, SQLAlchemy and the like are refused."""
    code = 'from collector.cli import main\nsys.argv[0] = "collector"\nsys.exit(main())'
    allowed = {"collector", "gateway", *modules_of_extra("collector")}
    arguments = ("check", "--json", "--config", str(gateway.workplace.collector_yaml))
    done = run_blocked(code, allowed, arguments)
    assert done.returncode == 0, done.stderr
    assert '"revision"' in done.stdout or '"policy"' in done.stdout


def _hashes(client: httpx.Client, path: str) -> list[bytes]:
    answer = client.get(f"/v1/checkpoint/{path}")
    assert answer.status_code == 200, answer.text
    return [bytes.fromhex(text) for text in answer.json()["hashes"]]


def _assert_refused(gateway: LiveGateway, context: ssl.SSLContext) -> None:
    """In TLS 1.3 the server's refusal of a client comes with the first reading."""
    address = ("127.0.0.1", gateway.workplace.port)
    received = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(address, timeout=30) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        received = secured.recv(100)
    assert received == b""


def test_refusal_of_handshakes_is_told_from_an_answer(gateway: LiveGateway) -> None:
    """The three tests of refused handshakes can fail."""
    certificate, key = gateway.workplace.subject(OPERATOR_URI)
    context = client_context(certificate, key, gateway.workplace.folder / "keys" / "ca.pem")
    with pytest.raises(AssertionError, match="HTTP/1"):
        _assert_refused(gateway, context)
