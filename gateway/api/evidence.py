"""GET /v1/checkpoint and its proofs, GET /v1/policy: what collectors and auditors check."""

from collections.abc import Callable
from typing import Protocol

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.api.problems import ProblemError
from gateway.decisions.policy import ActivePolicy


class Evidence(Protocol):
    """The log's reading side."""

    def checkpoint(self) -> str | None:
        """The newest signed checkpoint."""

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """RFC 6962 audit path; raises InputError outside the log."""

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """RFC 6962 consistency proof; raises InputError outside the log."""


def evidence_router(log: Evidence, policy: Callable[[], ActivePolicy]) -> APIRouter:
    """The reading routes."""
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

    @router.get("/v1/policy", summary="The policy in force and what it reads of a process")
    async def active_policy() -> Response:
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
