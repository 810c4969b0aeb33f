"""GET /v1/checkpoint/cosigned, and POST /v1/witness-report: what witnesses say of the log."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.denials import DenialRecorder
from gateway.api.gate import Caller
from gateway.api.problems import PROBLEMS, ProblemError, name_of
from gateway.errors import ConflictError, InputError
from gateway.identity.roles import WITNESS_REPORT
from gateway.wire.fork_reports import ForkReport, ForkReportAnswer

MAX_BODY_BYTES = 192 * 1024


class TakesReports(Protocol):
    """ForkReports is one."""

    async def take(self, reporter: str, report: ForkReport) -> ForkReportAnswer:
        """File it; raises InputError, ConflictError, LogUnavailableError."""


def witnessed_router(
    newest_cosigned: Callable[[], Awaitable[str | None]],
    reports: TakesReports,
    limits: BodyLimits,
    denials: DenialRecorder,
) -> APIRouter:
    """Both routes. A report that proves nothing leaves a `denial`."""
    router = APIRouter(tags=["evidence"])
    bounds = BodyLimits(min(MAX_BODY_BYTES, limits.max_bytes), limits.timeout_seconds)

    @router.get(
        "/v1/checkpoint/cosigned", response_class=PlainTextResponse, summary="Newest cosigned one"
    )
    async def cosigned() -> Response:
        note = await newest_cosigned()
        if note is None:
            raise ProblemError("not-found", "no witness has cosigned a checkpoint yet")
        return PlainTextResponse(note)

    @router.post("/v1/witness-report", summary="Two checkpoints that cannot both be true")
    async def report(request: Request) -> Response:
        caller: Caller = request.scope["state"]["caller"]
        body = await read_json_body(request, bounds)
        try:
            filed = await reports.take(caller.subject.uri, _parse(body))
        except (InputError, ConflictError) as error:
            status = PROBLEMS[name_of(error)][0]
            route = " ".join(WITNESS_REPORT)
            await denials.record(caller.subject.uri, route, status, str(error))
            raise
        return Response(msgspec.json.encode(filed), media_type="application/json")

    return router


def _parse(body: bytes) -> ForkReport:
    try:
        return msgspec.json.decode(body, type=ForkReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"a report is two notes, kept and refused: {str(error)[:120]}") from None
