"""The routes of people over a queue, called in-process as somebody."""

import asyncio
import base64
import hashlib
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.application import create_application
from gateway.api.changes import changes_router
from gateway.api.deeds import deeds_router
from gateway.api.denials import DenialRecorder
from gateway.api.health import health_router
from gateway.api.metrics import Metrics
from gateway.client.queue_client import QueueClient
from gateway.identity.subject import Role
from tests.fakes.api import SUBJECTS, StubTrust
from tests.fakes.deeds import DeedQueue
from tests.fakes.log import ACTOR

AUTHOR = SUBJECTS[Role.AUTHOR]


def fingerprint(certificate: bytes) -> str:
    """Stub certificates are the URI: the key is the name's."""
    return hashlib.sha256(certificate.rpartition(b"/")[2]).hexdigest()


class Desk:
    """The application over a queue, called as somebody."""

    def __init__(self) -> None:
        self.queue = DeedQueue()
        asyncio.run(self.queue.begin())
        denials = DenialRecorder(self.queue.log, self.queue.clock, ACTOR)
        metrics = Metrics()
        self.app: ASGIApp = create_application(
            {
                "changes": changes_router(self.queue.service, fingerprint),
                "deeds": deeds_router(self.queue.deeds, fingerprint),
                "health": health_router({}, metrics),
            },
            StubTrust(),  # type: ignore[arg-type]
            denials,
            metrics.count_request,
            "0",
            {},
        )

    def call(self, method: str, path: str, uri: str = AUTHOR, **more: Any) -> httpx.Response:
        async def with_certificate(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {"tls": {"client_cert_der": uri.encode()}}
            await self.app(scope, receive, send)

        async def converse() -> httpx.Response:
            transport = httpx.ASGITransport(app=with_certificate, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="https://gw") as client:
                return await client.request(method, path, **more)

        return asyncio.run(converse())

    def stage(self, archive: bytes, uri: str = AUTHOR) -> httpx.Response:
        text = base64.b64encode(archive).decode()
        return self.call(
            "POST", "/v1/changes", uri, json={"archive": text, "justification": "a new rule"}
        )

    def run(self, act: Coroutine[Any, Any, Any]) -> None:
        """An act of the gateway's own."""
        asyncio.run(act)

    @contextmanager
    def client(self, uri: str) -> Iterator[QueueClient]:
        """The commands' client, as somebody, without the network between."""

        def answer(request: httpx.Request) -> httpx.Response:
            found = self.call(
                request.method,
                request.url.raw_path.decode(),
                uri,
                content=request.read(),
                headers=request.headers,
            )
            return httpx.Response(found.status_code, content=found.content)

        transport = httpx.MockTransport(answer)
        with httpx.Client(transport=transport, base_url="https://gw") as http:
            yield QueueClient(http)
