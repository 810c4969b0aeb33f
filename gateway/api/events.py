"""GET /v1/events: server-sent events (HTML Living Standard, section 9.2) that tell collectors and
engines at once that another policy is in force.

    event: policy
    data: {"activation": 8, "revision": "9-0a1b…"}

comes on connecting and at each change, a comment every 15 s. A missed event costs no safety: a
lease also dies at the first answer under another activation, and at its own end.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import msgspec
import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.departure import departed
from gateway.api.gate import Caller
from gateway.api.problems import ProblemError
from gateway.api.published import Published
from gateway.errors import IdentityError
from gateway.identity.subject import Subject
from gateway.wire.verdicts import PolicyRef

MEDIA_TYPE = "text/event-stream"
_HEARTBEAT = b": still here\n\n"
_log = structlog.get_logger("gateway.api")


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Times in seconds. A stream's certificate is looked at again each `check_seconds`; a reader
    that takes nothing for `send_seconds` is cut off."""

    streams: int = 4_096
    streams_per_subject: int = 8
    heartbeat_seconds: float = 15.0
    check_seconds: float = 5.0
    send_seconds: float = 5.0


DEFAULT_LIMITS = StreamLimits()


class PolicyFeed(Protocol):
    """The policy in force, and its changes."""

    @property
    def is_closed(self) -> bool:
        """Whether all streams must end: the gateway is stopping."""

    def current(self) -> PolicyRef:
        """Which policy is in force."""

    async def wait_change(self, activation: int, seconds: float) -> bool:
        """Whether another activation than this one is in force within the time; at once when it
        is already, or when the feed is closed."""


class PolicyBroadcast(Published[PolicyRef]):
    """The feed of one process: `publish(ref)` at each activation."""

    async def wait_change(self, activation: int, seconds: float) -> bool:
        return await self.wait_until(lambda ref: ref.activation != activation, seconds)


def events_router(
    feed: PolicyFeed,
    identify: Callable[[bytes], Subject],
    limits: StreamLimits = DEFAULT_LIMITS,
) -> APIRouter:
    """The route. `identify` raises IdentityError for a certificate that may not act any more
    (`TrustStore.identify`): the stream then ends."""
    router = APIRouter(tags=["collectors"])
    open_streams: Counter[str] = Counter()

    @router.get("/v1/events", summary="Server-sent events: which policy is in force")
    async def events(request: Request) -> Response:
        caller: Caller = request.scope["state"]["caller"]
        if open_streams.total() >= limits.streams:
            raise ProblemError("overloaded", f"{limits.streams} event streams are open")
        if open_streams[caller.subject.uri] >= limits.streams_per_subject:
            detail = f"{limits.streams_per_subject} event streams of this subject are open"
            raise ProblemError("overloaded", detail)
        return _EventStream(feed, identify, caller, limits, open_streams)

    return router


class _EventStream(Response):
    """One stream, from its head to its end. It counts itself while it is open."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        feed: PolicyFeed,
        identify: Callable[[bytes], Subject],
        caller: Caller,
        limits: StreamLimits,
        open_streams: Counter[str],
    ) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._feed = feed
        self._identify = identify
        self._caller = caller
        self._limits = limits
        self._open_streams = open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        uri = self._caller.subject.uri
        self._open_streams[uri] += 1
        gone = asyncio.ensure_future(departed(receive))
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": HTTPStatus.OK,
                    "headers": self.raw_headers,
                }
            )
            await self._tell(send, gone)
        except TimeoutError:  # the response stays unfinished, so the connection is closed
            _log.warning("slow reader of events cut off", subject=uri)
        finally:
            gone.cancel()
            self._open_streams[uri] -= 1
            if not self._open_streams[uri]:
                del self._open_streams[uri]

    async def _tell(self, send: Send, gone: "asyncio.Future[None]") -> None:
        loop = asyncio.get_running_loop()
        told = -1
        heartbeat_at = loop.time() + self._limits.heartbeat_seconds
        while not gone.done() and not self._feed.is_closed and self._is_entitled():
            ref = self._feed.current()
            if ref.activation != told:
                told = ref.activation
                await self._send(send, _event(ref))
            elif loop.time() >= heartbeat_at:
                await self._send(send, _HEARTBEAT)
                heartbeat_at = loop.time() + self._limits.heartbeat_seconds
            await self._pause(
                told, min(heartbeat_at - loop.time(), self._limits.check_seconds), gone
            )
        if not gone.done():
            await self._send(send, b"", more=False)

    async def _pause(self, told: int, seconds: float, gone: "asyncio.Future[None]") -> None:
        """Until there is something to tell, to check, or nobody to tell it to."""
        change = asyncio.ensure_future(self._feed.wait_change(told, max(seconds, 0.0)))
        try:
            await asyncio.wait((change, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()

    def _is_entitled(self) -> bool:
        try:
            self._identify(self._caller.certificate)
        except IdentityError:
            return False
        return True

    async def _send(self, send: Send, part: bytes, more: bool = True) -> None:
        async with asyncio.timeout(self._limits.send_seconds):
            await send({"type": "http.response.body", "body": part, "more_body": more})


def _event(ref: PolicyRef) -> bytes:
    data = msgspec.json.encode({"activation": ref.activation, "revision": ref.revision})
    return b"event: policy\ndata: %b\n\n" % data
