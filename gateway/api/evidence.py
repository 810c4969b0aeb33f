"""GET /v1/checkpoint and its proofs, GET /v1/policy: what collectors and auditors check."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.api.gate import Caller
from gateway.api.problems import ProblemError
from gateway.decisions.policy import ActivePolicy
from gateway.wire.handovers import HandoversAnswer
from gateway.wire.succession import CHECKPOINT_HEADER

Hear = Callable[[str, str], Awaitable[None]]
"""Told who asks (SPIFFE id), and which checkpoint they kept (the header's value)."""


async def hear_nobody(_reporter: str, _value: str) -> None:
    """Where nobody listens."""


class Evidence(Protocol):
    """The log's reading side."""

    def checkpoint(self) -> str | None:
        """The newest signed checkpoint."""

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """RFC 6962 audit path; raises InputError outside the log."""

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """RFC 6962 consistency proof; raises InputError outside the log."""

    async def handovers(self) -> HandoversAnswer:
        """How the log's key went from hand to hand, oldest first; raises LogUnavailableError."""


def evidence_router(
    log: Evidence, policy: Callable[[], ActivePolicy], hear: Hear = hear_nobody
) -> APIRouter:
    """The reading routes. A collector shows the checkpoint that it kept when it asks for the
    policy, which it does first."""
    router = APIRouter(tags=["evidence"])

    @router.get("/v1/checkpoint", response_class=PlainTextResponse, summary="Newest checkpoint")
    async def checkpoint() -> Response:
        note = log.checkpoint()
        if note is None:
            raise ProblemError("not-ready", "no checkpoint is signed yet; come back in a second")
        return PlainTextResponse(note)

    @router.get("/v1/checkpoint/consistency", summary="Proof between two sizes")
    async def consistency(
        old: int = Query(alias="from", ge=0), new: int = Query(alias="to", ge=0)
    ) -> Response:
        return _hashes(await log.consistency(old, new))

    @router.get("/v1/checkpoint/inclusion", summary="Proof that an entry is under a size")
    async def inclusion(index: int = Query(ge=0), size: int = Query(ge=0)) -> Response:
        return _hashes(await log.inclusion(index, size))

    @router.get("/v1/checkpoint/handovers", summary="Hand-overs of the log's key, with proofs")
    async def handovers() -> Response:
        answer = await log.handovers()
        return Response(msgspec.json.encode(answer), media_type="application/json")

    @router.get("/v1/policy", summary="The policy in force and what it reads of a process")
    async def active_policy(request: Request) -> Response:
        kept = request.headers.get(CHECKPOINT_HEADER)
        if kept is not None:
            caller: Caller = request.scope["state"]["caller"]
            await hear(caller.subject.uri, kept)
        active = policy()
        answer = {
            "activation": active.ref.activation,
            "revision": active.ref.revision,
            "bundle": active.ref.bundle,
            "floor": active.ref.floor,
            "class": active.reader.declaration,
            "max_age_seconds": active.max_age_seconds,
        }
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return router


def _hashes(proof: list[bytes]) -> JSONResponse:
    return JSONResponse({"hashes": [node.hex() for node in proof]})
