"""POST /v1/decisions and POST /v1/ledger: what collectors say and are told."""

import time
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.gate import Caller, Handler
from gateway.api.metrics import Metrics
from gateway.api.problems import ProblemError
from gateway.decisions.ledger import LedgerService
from gateway.decisions.service import DecisionService
from gateway.identity.subject import Subject
from gateway.wire.classes import Sender
from gateway.wire.ledger import LedgerAnswer, LedgerReport
from gateway.wire.verdicts import DecisionAnswer

UNLISTED_TIER = "unlisted"  # no collector registry yet: every collector has the tier of a stranger
MAX_IN_FLIGHT = 256


def sender_of(subject: Subject) -> Sender:
    """What the certificate says of a collector; never what the body says."""
    return Sender(subject.environment, subject.region, UNLISTED_TIER)


def decision_handler(service: DecisionService, limits: BodyLimits, metrics: Metrics) -> Handler:
    """The handler of POST /v1/decisions."""
    in_flight = 0

    async def decide(request: Request) -> Response:
        nonlocal in_flight
        if in_flight >= MAX_IN_FLIGHT:
            raise ProblemError("overloaded", f"{in_flight} requests are being decided")
        in_flight += 1
        try:
            caller: Caller = request.scope["state"]["caller"]
            body = await read_json_body(request, limits)
            started = time.perf_counter()
            answer = await service.decide(
                caller.subject.uri, sender_of(caller.subject), caller.certificate_ends_us, body
            )
            metrics.decision_seconds.observe(time.perf_counter() - started)
        finally:
            in_flight -= 1
        return Response(answer, media_type="application/json")

    return decide


def ledger_handler(service: LedgerService, limits: BodyLimits) -> Handler:
    """The handler of POST /v1/ledger."""

    async def report(request: Request) -> Response:
        caller: Caller = request.scope["state"]["caller"]
        body = await read_json_body(request, limits)
        answer = await service.report(caller.subject.uri, body)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return report


def decisions_router(decide: Handler, report: Handler) -> APIRouter:
    """Both routes, with their schemas for the OpenAPI document."""
    router = APIRouter(tags=["collectors"])
    router.add_api_route(
        "/v1/decisions",
        _untyped(decide),
        methods=["POST"],
        summary="Ask which proposals may be acted on",
        openapi_extra=_bodies(_PROPOSALS_SCHEMA, _schema(DecisionAnswer)),
    )
    router.add_api_route(
        "/v1/ledger",
        _untyped(report),
        methods=["POST"],
        summary="Report the ledger's cumulative counters",
        openapi_extra=_bodies(_schema(LedgerReport), _schema(LedgerAnswer)),
    )
    return router


def _untyped(handler: Handler) -> Any:
    async def endpoint(request: Request) -> Response:
        return await handler(request)

    return endpoint


def _bodies(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": {"description": "Recorded", "content": {"application/json": {"schema": answer}}}
        },
    }


def _schema(kind: type) -> dict[str, Any]:
    schemas, components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {**schemas[0], "$defs": components} if components else schemas[0]


_PROPOSALS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["proposals"],
    "properties": {
        "proposals": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["ref", "process", "action"],
                "properties": {
                    "ref": {"type": "string", "maxLength": 128},
                    "process": {"type": "object", "description": "OpenTelemetry attributes"},
                    "action": {"enum": ["drop", "sample", "keep"]},
                    "sample_rate": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                    "score": {"type": "number", "minimum": 0, "maximum": 1},
                    "profile": {"type": "string", "maxLength": 64},
                    "scorer": {"type": "string", "maxLength": 64},
                    "why": {"type": "string", "maxLength": 256},
                },
            },
        }
    },
}
