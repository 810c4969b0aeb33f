"""The gate before every route: who calls, may they, and what becomes of errors."""

import re
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.denials import DenialRecorder
from gateway.api.paths import Paths
from gateway.api.problems import PROBLEMS, problem, problem_response
from gateway.errors import GatewayError, IdentityError
from gateway.identity.roles import ALLOWED, Route, is_allowed
from gateway.identity.subject import Subject
from gateway.identity.trust import TrustStore

_log = structlog.get_logger("gateway.api")

ROUTES = frozenset(route for routes in ALLOWED.values() for route in routes)
PATHS = frozenset(path for _, path in ROUTES)
_PATHS = Paths(PATHS)
_CALLERS_ID = re.compile(rb"[ -~]{1,256}")

Handler = Callable[[Request], Awaitable[Response]]
_NO_ROUTES: Mapping[Route, Handler] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the certificate says; in `scope["state"]["caller"]` past the gate.
    `certificate` (DER) is for answers that last: identify it again before each part."""

    subject: Subject
    certificate_ends_us: int
    request_id: str
    certificate: bytes = b""


class Gate:
    """ASGI middleware: identifies by certificate at every request, holds the role table, answers
    every error as a problem document."""

    def __init__(
        self,
        app: ASGIApp,
        trust: TrustStore,
        denials: DenialRecorder,
        count: Callable[[str, int], None] = lambda path, status: None,
        direct: Mapping[Route, Handler] = _NO_ROUTES,
    ) -> None:
        """`direct` routes (method and path template) are called without the framework between,
        which for one small request costs more than the decision itself."""
        self._app = app
        self._trust = trust
        self._denials = denials
        self._count = count
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket would pass the gate unasked; there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        request_id = _request_id(scope)
        answer = _Answer(send, request_id)
        path, parameters = _PATHS.find(scope["path"]) or ("other", {})
        scope["path_params"] = parameters
        try:
            await self._serve(scope, path, receive, answer, request_id)
        except GatewayError as error:
            await self._fail(scope, receive, answer, error, request_id)
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a traceback
            _log.error(
                "internal error",
                request_id=request_id,
                kind=type(error).__name__,
                place=_place_of(error),
            )
            await self._fail(scope, receive, answer, error, request_id)
        finally:
            self._count(path, answer.status)

    async def _serve(
        self, scope: Scope, path: str, receive: Receive, answer: "_Answer", request_id: str
    ) -> None:
        method, sent = scope["method"], scope["path"]
        caller = await self._identify(scope, f"{method} {sent}", request_id)
        if path not in PATHS or scope.get("raw_path", sent.encode()) != sent.encode():
            await problem("not-found", "see /openapi.json", request_id)(scope, receive, answer)
        elif (method, path) not in ROUTES:
            detail = f"{path} does not take {method}"
            refusal = problem("method-not-allowed", detail, request_id)
            refusal.headers["allow"] = ", ".join(sorted(m for m, p in ROUTES if p == path))
            await refusal(scope, receive, answer)
        elif not is_allowed(caller.subject.role, method, path):
            reason = f"role {caller.subject.role} may not call {method} {path}"
            await self._denials.record(
                caller.subject.uri, f"{method} {sent}", PROBLEMS["forbidden"][0], reason
            )
            await problem("forbidden", reason, request_id)(scope, receive, answer)
        else:
            scope.setdefault("state", {})["caller"] = caller
            handler = self._direct.get((method, path))
            if handler is None:
                await self._app(scope, receive, answer)
            else:
                response = await handler(Request(scope, receive))
                await response(scope, receive, answer)

    async def _identify(self, scope: Scope, route: str, request_id: str) -> Caller:
        der = scope.get("extensions", {}).get("tls", {}).get("client_cert_der")
        try:
            if not der:
                raise IdentityError("the connection shows no client certificate")
            subject = self._trust.identify(der)
            return Caller(subject, self._trust.not_after_us(der), request_id, der)
        except IdentityError as error:
            status = PROBLEMS["unidentified"][0]
            await self._denials.record(None, route, status, str(error))
            raise

    async def _fail(
        self,
        scope: Scope,
        receive: Receive,
        answer: "_Answer",
        error: Exception,
        request_id: str,
    ) -> None:
        if answer.status == 0:
            await problem_response(error, request_id)(scope, receive, answer)


class _Answer:
    """`send` that remembers the status and adds the request id."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id)]
        await self._send(message)


def _request_id(scope: Scope) -> str:
    """Ours; on AuthZEN's routes the caller's own, which its standard wants back (1.0, section
    Request Identification)."""
    if scope["path"].startswith("/access/"):
        sent = dict(scope["headers"]).get(b"x-request-id", b"")
        if _CALLERS_ID.fullmatch(sent):
            return str(sent, "ascii")
    return secrets.token_hex(8)


def _place_of(error: Exception) -> str:
    """Where it was raised, and nothing else: texts and local variables may hold a class (P7)."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
