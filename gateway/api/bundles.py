"""GET /bundles/{name}: the bundle in force, as OPA's bundle service API wants it.

OPA asks with `Prefer: modes=snapshot,delta;wait=N`, and with the ETag of what it has. The content
type says that we hold such a question until there is something new (OPA: Bundle Service API, HTTP
Long Polling); deltas are never sent.

`{name}.sealed` is the bundle's sealed data in clear, for the engines that the configuration names.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Protocol

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.denials import DenialRecorder
from gateway.api.departure import departed
from gateway.api.gate import Caller
from gateway.api.problems import ProblemError
from gateway.api.published import Published
from gateway.identity.subject import Subject

MEDIA_TYPE = "application/vnd.openpolicyagent.bundles"
SEALED_ENDING = ".sealed"
MAX_WAIT_SECONDS = 60
MAX_WAITING = 1_024
_NOT_READY = ("not-ready", "no bundle is in force yet")
_NO_SEALED_DATA = ("not-found", "the bundle in force has no sealed data")
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.ASCII)
_TAG = re.compile(r"[\x21\x23-\x7e]{1,200}", re.ASCII)


class BundleSource(Protocol):
    """The bundle in force. Its tag must be another one at each activation: OPA also sends the tags
    of bundles that it had before, and a rolled-back bundle must not look like one of them."""

    def current(self) -> tuple[str, bytes]:
        """The entity tag without its quotes, and the archive; empty while none is in force."""

    async def changed(self, etag: str, seconds: float) -> bool:
        """Whether the tag is another than `etag` within the time; at once when it is already."""


class BundleBroadcast(Published[tuple[str, bytes]]):
    """The bundle source of one process: `publish((tag, archive))` at each activation."""

    async def changed(self, etag: str, seconds: float) -> bool:
        return await self.wait_until(lambda value: value[0] != etag, seconds)


@dataclass(frozen=True, slots=True)
class SealedOffer:
    """Sealed data of the bundle in force, empty where it has none, for `engines` (SPIFFE ids)
    alone; everybody else is refused, and that is recorded."""

    source: BundleSource
    engines: frozenset[str]
    denials: DenialRecorder

    async def verify_entitled(self, request: Request) -> None:
        """Raises ProblemError once the denial is recorded; LogUnavailableError."""
        caller: Caller = request.scope["state"]["caller"]
        if caller.subject.uri in self.engines:
            return
        reason = "this engine is not listed in policies.sealed_engines"
        route = f"{request.method} {request.url.path}"
        await self.denials.record(caller.subject.uri, route, HTTPStatus.FORBIDDEN, reason)
        raise ProblemError("forbidden", reason)


def bundles_router(
    source: BundleSource,
    name: str,
    identify: Callable[[bytes], Subject],
    sealed: SealedOffer | None = None,
) -> APIRouter:
    """The route of the one bundle that is called `name`, and of its sealed data. `identify` raises
    IdentityError for a certificate that may not act any more (`TrustStore.identify`)."""
    router = APIRouter(tags=["engines"])
    waiting = _Waiting()

    async def answer(request: Request, offered: BundleSource) -> Response:
        known = _tags(request.headers.get("if-none-match", ""))
        seconds = _wait_seconds(request.headers.get("prefer", ""))
        if offered.current()[0] in known and seconds > 0:
            await waiting.hold(offered, request, seconds)
            caller: Caller = request.scope["state"]["caller"]
            identify(caller.certificate)  # it may have been revoked while it waited
        etag, archive = offered.current()
        if not archive:
            raise ProblemError(*(_NOT_READY if offered is source else _NO_SEALED_DATA))
        return _answer(etag, archive, known)

    @router.get("/bundles/{name}", summary="The bundle in force, for OPA servers")
    async def bundle(request: Request, bundle_name: Annotated[str, Path(alias="name")]) -> Response:
        if bundle_name == name:
            return await answer(request, source)
        if sealed is not None and bundle_name == name + SEALED_ENDING:
            await sealed.verify_entitled(request)
            response = await answer(request, sealed.source)
            response.headers["cache-control"] = "no-store"
            return response
        raise ProblemError("not-found", f"the bundle in force is called {name}")

    return router


class _Waiting:
    """Questions that are held until there is something new; so many and no more."""

    def __init__(self) -> None:
        self._count = 0

    async def hold(self, source: BundleSource, request: Request, seconds: float) -> None:
        if self._count >= MAX_WAITING:  # a 304 at once would be asked again at once
            raise ProblemError("overloaded", f"{self._count} engines are waiting for a bundle")
        self._count += 1
        change = asyncio.ensure_future(source.changed(source.current()[0], seconds))
        gone = asyncio.ensure_future(departed(request.receive))
        try:
            await asyncio.wait((change, gone), return_when=asyncio.FIRST_COMPLETED)
            if change.done():
                change.result()
        finally:
            self._count -= 1
            change.cancel()
            gone.cancel()


def _answer(etag: str, archive: bytes, known: frozenset[str]) -> Response:
    headers = {"etag": f'"{etag}"', "cache-control": "no-cache"}
    if etag in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(archive, headers=headers, media_type=MEDIA_TYPE)


def _tags(if_none_match: str) -> frozenset[str]:
    """The entity tags of the header, weak ones too (RFC 9110 section 13.1.2: weak comparison).
    `*` is nobody's: whoever has no bundle must get one."""
    tags = (part.strip().removeprefix("W/") for part in if_none_match.split(","))
    inner = (tag[1:-1] for tag in tags if len(tag) > 2 and tag[0] == tag[-1] == '"')
    return frozenset(tag for tag in inner if _TAG.fullmatch(tag))


def _wait_seconds(prefer: str) -> float:
    found = _WAIT.search(prefer)
    return min(int(found[1]), MAX_WAIT_SECONDS) if found else 0
