"""GET /v1/succession: which log the one that is served succeeds, for collectors that knew it."""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from gateway.api.problems import ProblemError
from gateway.wire.succession import SuccessionAnswer


def succession_router(answer: Callable[[], Awaitable[SuccessionAnswer | None]]) -> APIRouter:
    """The one route; `answer` gives None where there is nothing to tell."""
    router = APIRouter(tags=["evidence"])

    @router.get("/v1/succession", summary="The log that this one succeeds")
    async def succession() -> Response:
        told = await answer()
        if told is None:
            raise ProblemError("not-found", "this log succeeds none")
        return Response(msgspec.json.encode(told), media_type="application/json")

    return router
