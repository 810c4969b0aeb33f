"""Retention, holds and erasure over HTTP (docs/formats.md section 12)."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.people import (
    Fingerprint,
    Text,
    Word,
    json_answer,
    key_fingerprint,
    person_of,
    post,
    read_body,
)
from gateway.changes.deed_service import DeedService

Month = Annotated[str, msgspec.Meta(pattern="^([0-9]{4}-[0-9]{2})?$")]


class _Deed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["purge", "erasure", "release", "key"]
    subject: dict[str, Any]
    justification: Text


class _Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    justification: Text
    region: Word = ""
    retention_class: Word = ""
    from_month: Month = msgspec.field(default="", name="from")
    to: Month = ""


class _Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    attributes: Annotated[dict[Word, Text], msgspec.Meta(min_length=1, max_length=20)]
    request: Word


def deeds_router(service: DeedService, fingerprint: Fingerprint = key_fingerprint) -> APIRouter:
    """What is due, what is held, and what people ask for."""
    router = APIRouter(tags=["deeds"])
    _add_holds(router, service, fingerprint)
    _add_deeds(router, service, fingerprint)
    return router


def _add_holds(router: APIRouter, service: DeedService, fingerprint: Fingerprint) -> None:
    @router.get("/v1/holds", summary="Live legal holds")
    async def list_holds() -> Response:
        return json_answer(await service.list_holds())

    @post(router, "/v1/holds", "Keep what a hold covers, at once", _Hold)
    async def place(request: Request) -> Response:
        body = await read_body(request, _Hold)
        said = {
            "region": body.region,
            "retention_class": body.retention_class,
            "from": body.from_month,
            "to": body.to,
        }
        person = person_of(request, fingerprint)
        view = await service.place_hold(person, said, body.justification)
        return json_answer(view, HTTPStatus.CREATED)


def _add_deeds(router: APIRouter, service: DeedService, fingerprint: Fingerprint) -> None:
    @router.get("/v1/deeds/due", summary="What retention lets go, and what a hold keeps of it")
    async def list_due() -> Response:
        return json_answer(await service.list_due())

    @post(router, "/v1/deeds/match", "Whom an erasure would touch; each opening is logged", _Match)
    async def match(request: Request) -> Response:
        body = await read_body(request, _Match)
        person = person_of(request, fingerprint)
        return json_answer(await service.match(person, body.attributes, body.request))

    @post(router, "/v1/deeds", "Ask for a deed that somebody else approves", _Deed)
    async def ask(request: Request) -> Response:
        body = await read_body(request, _Deed)
        person = person_of(request, fingerprint)
        view = await service.ask(person, body.kind, body.subject, body.justification)
        return json_answer(view, HTTPStatus.CREATED)
