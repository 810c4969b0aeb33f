import asyncio
from collections.abc import Iterable
from itertools import product
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from gateway.api.denials import BURST
from gateway.api.gate import PATHS, ROUTES, Gate
from gateway.api.problems import PROBLEMS
from gateway.identity.roles import ALLOWED, Route
from gateway.identity.subject import Role
from tests.fakes.api import SUBJECTS, Service
from tests.fakes.decisions import COLLECTOR, body, proposal
from tests.fakes.outer import BUNDLE

AUDITOR = SUBJECTS[Role.AUDITOR]
# Routes of the change queue, whose router is tested in its own file.
QUEUE = (
    *("/v1/changes", "/v1/protections", "/v1/exceptions", "/v1/rollback"),
    *("/v1/deeds", "/v1/holds"),
)
TILES = {
    "/tlog/tile/{level}/{a}": "/tlog/tile/0/000",
    "/tlog/tile/{level}/{a}/{b}": "/tlog/tile/entries/000.p/7",
    "/tlog/tile/{level}/{a}/{b}/{c}": "/tlog/tile/1/x001/000.p/7",
    "/tlog/tile/{level}/{a}/{b}/{c}/{d}": "/tlog/tile/0/x001/x234/067.p/7",
}
SHARED = Service()  # for what changes nothing in it: to build one takes a while


def filled(template: str) -> str:
    """A path of the template; the bundle is the one that is served."""
    if template in TILES:
        return TILES[template]
    return template.replace("{name}", BUNDLE).replace("{", "").replace("}", "")


def assert_problem(response: httpx.Response, name: str) -> dict[str, Any]:
    """The problem document, checked against its table."""
    value: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert value["type"] == f"urn:compliance-gateway:problem:{name}"
    assert (value["status"], value["title"]) == PROBLEMS[name]
    assert response.status_code == value["status"]
    assert value["request_id"] == response.headers["x-request-id"]
    assert set(value) == {"type", "title", "status", "detail", "request_id"}
    assert ("retry-after" in response.headers) == (response.status_code == 503)
    return value


@pytest.mark.parametrize("role", Role)
def test_the_role_table_is_what_the_gate_holds(role: Role) -> None:
    service = Service()
    for method, path in sorted(ROUTES):
        if (method, path) in ALLOWED[role] and (path.startswith(QUEUE) or path == "/v1/events"):
            continue  # the latter's answer never ends
        response = service.call(method, filled(path), SUBJECTS[role])
        if (method, path) in ALLOWED[role]:
            assert response.status_code not in (401, 403, 404, 405, 500), (method, path)
        else:
            assert_problem(response, "forbidden")
    denied = len(ROUTES - ALLOWED[role])
    assert len(service.desk.log.bodies("denial")) == min(denied, BURST)


def test_only_collectors_ask_and_report() -> None:
    for path in ("/v1/decisions", "/v1/ledger"):
        may = {role for role in Role if ("POST", path) in ALLOWED[role]}
        assert may == {Role.COLLECTOR}


def test_every_route_of_the_table_is_served_and_none_besides() -> None:
    service = Service()
    assert isinstance(service.app, Gate)
    app = service.app._app
    assert isinstance(app, FastAPI)
    served = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    assert served - in_queue(served) | {("GET", "/openapi.json")} == ROUTES - in_queue(ROUTES)


def in_queue(routes: Iterable[Route]) -> set[Route]:
    return {route for route in routes if route[1].startswith(QUEUE)}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for method, path in product(
            ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "QUERY"],
            sorted(PATHS),
        )
        if (method, path) not in ROUTES
    ],
)
def test_other_methods_are_refused_with_what_is_allowed(method: str, path: str) -> None:
    async def run() -> tuple[int, dict[bytes, bytes]]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": filled(path),
            "headers": [],
            "extensions": {"tls": {"client_cert_der": COLLECTOR.encode()}},
        }
        await SHARED.app(scope, receive_nothing, send)
        return sent[0]["status"], dict(sent[0]["headers"])

    status, headers = asyncio.run(run())
    assert status == 405
    assert headers[b"allow"].decode().split(", ") == sorted(m for m, p in ROUTES if p == path)


async def receive_nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/decisions/",
        "//v1/decisions",
        "/v1//decisions",
        "/V1/decisions",
        "/v1/%64ecisions",
        "/v1/decisions%2f",
        "/v1/decisions%00",
        "/v1/./decisions",
        "/healthz/../v1/decisions",
        "/%68ealthz",
        "/docs",
        "/redoc",
        "/static/x",
        "/v1/decisions;x",
        "/bundles",
        "/bundles/",
        "/bundles/.",
        "/bundles/..",
        "/bundles/a/b",
        "/bundles/a%2fb",
        "/bundles/%61",
        "/bundles/a b",
        "/bundles/" + "a" * 129,
        "/v1/changes/1/approve/",
        "/v1/changes/1/publish",
        "/v1/changes//approve",
        "/v1/exceptions/../approve",
        "/status/ü",
    ],
)
@pytest.mark.parametrize("uri", [COLLECTOR, AUDITOR])
def test_unknown_and_respelled_paths_are_not_found(path: str, uri: str) -> None:
    async def run() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": httpx.URL(f"https://gw{path}").path if "%" in path else path,
            "raw_path": path.encode(),
            "headers": [],
            "extensions": {"tls": {"client_cert_der": uri.encode()}},
        }
        await SHARED.app(scope, receive_nothing, send)
        return sent

    assert asyncio.run(run())[0]["status"] == 404


@pytest.mark.parametrize("path", ["/v1/decisions", "/healthz", "/nowhere"])
def test_without_a_certificate_nothing_is_served(path: str) -> None:
    service = Service()
    assert_problem(service.call("GET", path, None), "unidentified")
    [denial] = service.desk.log.bodies("denial")
    assert denial["status"] == 401


@pytest.mark.parametrize("extensions", [{}, {"tls": {}}, {"tls": {"client_cert_der": b""}}])
def test_a_scope_without_the_peer_s_certificate_is_nobody_s(extensions: dict[str, Any]) -> None:
    async def run() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/healthz",
            "headers": [(b"x-client-cert", COLLECTOR.encode())],
            "extensions": extensions,
        }
        await Service().app(scope, receive_nothing, send)
        return sent

    assert asyncio.run(run())[0]["status"] == 401


def test_a_certificate_cut_off_between_two_requests_of_a_connection_is_refused() -> None:
    service = Service()

    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        first = await client.get("/healthz")
        service.trust.cut_off[COLLECTOR] = "the certificate is revoked"
        return [first, await client.get("/healthz")]

    first, second = service.run(talk)
    assert first.status_code == 200
    assert assert_problem(second, "unidentified")["detail"] == "the certificate is revoked"
    [denial] = service.desk.log.bodies("denial")
    assert denial["reason"] == "the certificate is revoked"


def test_a_denial_names_who_and_what() -> None:
    service = Service()
    assert_problem(service.call("POST", "/v1/decisions", AUDITOR), "forbidden")
    [denial] = service.desk.log.bodies("denial")
    assert denial["route"] == "POST /v1/decisions"
    assert denial["status"] == 403
    assert AUDITOR.encode() in service.desk.log.entries[-1]


def test_denials_are_bounded_and_the_next_entry_tells_how_many_went_unwritten() -> None:
    service = Service()

    async def talk(client: httpx.AsyncClient) -> None:
        for _ in range(BURST + 30):
            assert (await client.post("/v1/decisions")).status_code == 403
        service.desk.clock.advance(1)
        await client.post("/v1/decisions")

    service.run(talk, AUDITOR)
    denials = service.desk.log.bodies("denial")
    assert len(denials) == BURST + 1
    assert denials[-1]["suppressed_before"] == 30


def test_when_the_log_cannot_be_written_a_denied_caller_gets_503_and_no_route() -> None:
    service = Service()
    service.desk.log.failures = ["disk full", "disk full"]
    assert_problem(service.call("POST", "/v1/decisions", AUDITOR), "log-unavailable")
    assert_problem(service.call("GET", "/healthz", None), "log-unavailable")


def test_an_internal_error_is_a_problem_without_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = Service()
    service.evidence.fault = RuntimeError("secret-token-123")
    response = service.call("GET", "/v1/checkpoint")
    assert "secret-token-123" not in response.text
    assert_problem(response, "internal")
    # Nor in the log, not even as a local variable of a frame (P7); the place is what helps.
    logged = "".join(capsys.readouterr())
    assert "secret-token-123" not in logged
    assert all(
        word in logged for word in ("RuntimeError", "api.py:", response.json()["request_id"])
    )


def test_requests_are_counted_by_known_paths_only() -> None:
    service = Service()
    service.call("GET", "/healthz")
    service.call("GET", "/x/y/z")
    text = service.metrics.exposition().decode()
    assert 'gateway_requests_total{path="/healthz",status="200"} 1.0' in text
    assert 'gateway_requests_total{path="other",status="404"} 1.0' in text
    assert "/x/y/z" not in text


def test_a_websocket_is_closed_and_lifespan_passes() -> None:
    async def run() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await Service().app(
            {"type": "websocket", "path": "/v1/decisions", "headers": []}, receive_nothing, send
        )
        return sent

    assert asyncio.run(run()) == [{"type": "websocket.close", "code": 1008}]


def test_an_answer_carries_the_request_id_too() -> None:
    service = Service()
    first = service.call("POST", "/v1/decisions", json={"proposals": [proposal("a")]})
    second = service.call(
        "POST",
        "/v1/decisions",
        content=body(proposal("a")),
        headers={"content-type": "application/json"},
    )
    assert first.status_code == second.status_code == 200
    assert len({r.headers["x-request-id"] for r in (first, second)}) == 2
