"""AuthZEN's Authorization API 1.0: evaluations by its names, decided as `/v1/decisions` decides.

| AuthZEN | ours |
|---|---|
| `subject` | `{"type": "collector", "id": <the caller's own SPIFFE id>}` |
| `action.name` | `drop`, `sample`, `keep` |
| `action.properties` | `sample_rate`, `score`, `profile`, `scorer`, `why` |
| `resource` | `{"type": "process", "id": <any>, "properties": {OpenTelemetry attributes}}` |
| `context` | not read: time is the gateway's, environment and region the certificate's |

`decision` is true when the action may be taken as proposed (effect `permitted`), else false. The
answer's `context` is the verdict of docs/formats.md section 3, with the entries that record it.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.authzen_model import Batch, Item, ItemError, Question, read_batch, read_single
from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.decisions import sender_of
from gateway.api.denials import DenialRecorder
from gateway.api.gate import Caller
from gateway.api.problems import ProblemError
from gateway.decisions.service import DecisionService

MAX_IN_FLIGHT = 64
_EVALUATION = "/access/v1/evaluation"
_EVALUATIONS = "/access/v1/evaluations"
_HOST = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?", re.ASCII)
_BAD_PROPOSAL = "gateway.bad_proposal"

Decision = dict[str, Any]


class _Answer(msgspec.Struct, frozen=True):
    policy: msgspec.Raw
    entries: msgspec.Raw
    verdicts: list[dict[str, Any]]
    refs: list[tuple[str, int]]


_ANSWERS = msgspec.json.Decoder(_Answer)


def authzen_router(
    service: DecisionService,
    limits: BodyLimits,
    denials: DenialRecorder,
    public_url: str | None = None,
) -> APIRouter:
    """The three routes. `public_url` (https, no trailing slash) is the decision point's identifier
    in its metadata; without it, the host that the caller asked is."""
    router = APIRouter(tags=["AuthZEN"])
    desk = _Desk(service, denials)

    @router.post(_EVALUATION, summary="AuthZEN 1.0: one access evaluation")
    async def evaluation(request: Request) -> Response:
        body = await read_json_body(request, limits)
        return await desk.answer(request, read_single(body, _caller(request).subject.uri))

    @router.post(_EVALUATIONS, summary="AuthZEN 1.0: access evaluations, with three semantics")
    async def evaluations(request: Request) -> Response:
        body = await read_json_body(request, limits)
        return await desk.answer(request, read_batch(body, _caller(request).subject.uri))

    @router.get("/.well-known/authzen-configuration", summary="AuthZEN 1.0: metadata")
    async def configuration(request: Request) -> Response:
        base = public_url or f"https://{_host(request)}"
        return JSONResponse(
            {
                "policy_decision_point": base,
                "access_evaluation_endpoint": base + _EVALUATION,
                "access_evaluations_endpoint": base + _EVALUATIONS,
            }
        )

    return router


class _Desk:
    """Decides a batch; so many at a time and no more."""

    def __init__(self, service: DecisionService, denials: DenialRecorder) -> None:
        self._service = service
        self._denials = denials
        self._in_flight = 0

    async def answer(self, request: Request, batch: Batch) -> Response:
        """Raises ProblemError (a single evaluation that is malformed or not for this caller, too
        many in flight) and LogUnavailableError."""
        if self._in_flight >= MAX_IN_FLIGHT:
            raise ProblemError("overloaded", f"{self._in_flight} requests are being decided")
        self._in_flight += 1
        try:
            await self._record_denial(request, batch.items)
            if batch.is_single:
                _verify_single(batch.items[0])
            decisions = await self._decide(_caller(request), batch)
        finally:
            self._in_flight -= 1
        value: Any = decisions[0] if batch.is_single else {"evaluations": decisions}
        return Response(msgspec.json.encode(value), media_type="application/json")

    async def _decide(self, caller: Caller, batch: Batch) -> list[Decision]:
        if batch.semantic == "execute_all":
            return await self._decide_together(caller, batch.items)
        # In order and one by one, so that what comes after the end is neither decided nor recorded.
        decisions: list[Decision] = []
        stops_at = batch.semantic == "permit_on_first_permit"
        for item in batch.items:
            decisions += await self._decide_together(caller, [item])
            if decisions[-1]["decision"] is stops_at:
                break
        return decisions

    async def _decide_together(self, caller: Caller, items: Sequence[Item]) -> list[Decision]:
        proposals = [
            item.proposal(str(position))
            for position, item in enumerate(items)
            if isinstance(item, Question)
        ]
        decided: dict[str, Decision] = {}
        if proposals:
            body = msgspec.json.encode({"proposals": proposals})
            answer = await self._service.decide(
                caller.subject.uri, sender_of(caller.subject), caller.certificate_ends_us, body
            )
            decided = _decisions(answer)
        return [
            _refused(item) if isinstance(item, ItemError) else decided[str(position)]
            for position, item in enumerate(items)
        ]

    async def _record_denial(self, request: Request, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, ItemError) and item.status == HTTPStatus.FORBIDDEN:
                route = f"{request.method} {request.url.path}"
                uri = _caller(request).subject.uri
                await self._denials.record(uri, route, item.status, item.message)
                return


def _decisions(answer: bytes) -> dict[str, Decision]:
    """By ref."""
    read = _ANSWERS.decode(answer)
    return {ref: _decision(read, read.verdicts[position]) for ref, position in read.refs}


def _decision(answer: _Answer, verdict: dict[str, Any]) -> Decision:
    context = {**verdict, "policy": answer.policy, "entries": answer.entries}
    if verdict["effect"] == "fail_safe":
        reason = verdict["reasons"][0]
        is_bad = reason["rule"] == _BAD_PROPOSAL
        status = HTTPStatus.BAD_REQUEST if is_bad else HTTPStatus.SERVICE_UNAVAILABLE
        context["error"] = {"status": status, "message": reason["message"]}
    return {"decision": verdict["effect"] == "permitted", "context": context}


def _refused(item: ItemError) -> Decision:
    error = {"status": item.status, "message": item.message}
    return {"decision": False, "context": {"error": error}}


def _verify_single(item: Item) -> None:
    """What fails alone in an array fails the whole request here (1.0, section Error Responses)."""
    if isinstance(item, ItemError):
        names = {HTTPStatus.BAD_REQUEST: "malformed", HTTPStatus.FORBIDDEN: "forbidden"}
        name = names.get(HTTPStatus(item.status))
        if name is not None:
            raise ProblemError(name, item.message)


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["state"]["caller"]
    return caller


def _host(request: Request) -> str:
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise ProblemError("malformed", "the host header names no host")
    return host
