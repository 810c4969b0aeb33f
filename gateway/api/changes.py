"""The change queue over HTTP: what authors, approvers and operators ask for (docs/formats.md
section 12)."""

import asyncio
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.people import (
    Fingerprint,
    Text,
    Word,
    decode_body,
    json_answer,
    key_fingerprint,
    person_of,
    post,
    read_body,
)
from gateway.api.problems import ProblemError
from gateway.changes.approvals import Approving
from gateway.changes.scope import parse_exception, parse_protection
from gateway.changes.service import ChangeService
from gateway.errors import InputError

ARCHIVE_LIMITS = BodyLimits(max_bytes=12 * 1024 * 1024, timeout_seconds=60.0)
MAX_LOSSES = 2_000  # with names of at most 200 characters; a longer list is named by its hash
MAX_READING = 2

Digest = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]


class _Staging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`archive` in base64 (RFC 4648 section 4)."""

    archive: bytes
    justification: Text


class _Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    justification: Text
    approval_id: Word
    bundle: Digest = ""
    losses: Annotated[tuple[Word, ...], msgspec.Meta(max_length=MAX_LOSSES)] = ()
    losses_hash: Digest = ""


class _Justified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    justification: Text


class _Protection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Text
    regex: Text = ""
    glob: Text = ""
    control: Word = ""


class _Exception(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: Annotated[tuple[Word, ...], msgspec.Meta(max_length=100)]
    hours: int
    reason: Text
    regex: Text = ""
    glob: Text = ""
    environment: Word = ""
    region: Word = ""


class _Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    justification: Text
    to: Word = ""


def changes_router(service: ChangeService, fingerprint: Fingerprint = key_fingerprint) -> APIRouter:
    """All routes of people."""
    router = APIRouter(tags=["changes"])
    _add_reading(router, service)
    _add_queue(router, service, fingerprint)
    _add_requests(router, service, fingerprint)
    return router


def _add_reading(router: APIRouter, service: ChangeService) -> None:
    @router.get("/v1/changes", summary="What is in force, and what waits for whom")
    async def list_changes(all: bool = Query(False)) -> Response:
        return json_answer(await service.list_changes(with_past=all))

    @router.get("/v1/changes/{id}", summary="One change, with its impact and its rollout")
    async def show_change(id: str) -> Response:
        found = await service.show_change(id)
        if found is None:
            raise ProblemError("not-found", f"there is no change {id}")
        return json_answer(found)

    @router.get("/v1/exceptions", summary="Live exceptions")
    async def list_exceptions() -> Response:
        return json_answer(await service.list_exceptions())


def _add_queue(router: APIRouter, service: ChangeService, fingerprint: Fingerprint) -> None:
    reading = asyncio.Semaphore(MAX_READING)  # an archive is large, and a few people stage

    @post(router, "/v1/changes", "Stage a signed bundle", _Staging)
    async def stage(request: Request) -> Response:
        async with reading:
            data = await read_json_body(request, ARCHIVE_LIMITS)
            body = await asyncio.to_thread(decode_body, data, _Staging)
            del data
            person = person_of(request, fingerprint)
            view = await service.stage_bundle(person, body.archive, body.justification)
        return json_answer(view, HTTPStatus.CREATED)

    @post(router, "/v1/changes/{id}/approve", "Approve somebody else's change", _Approval)
    async def approve(request: Request) -> Response:
        body = await read_body(request, _Approval)
        return json_answer(
            await service.approve(
                person_of(request, fingerprint),
                request.path_params["id"],
                Approving(body.bundle, body.losses, body.losses_hash),
                body.justification,
                body.approval_id,
            )
        )

    @post(router, "/v1/changes/{id}/reject", "Reject a change or end its rollout", _Justified)
    async def reject(request: Request) -> Response:
        body = await read_body(request, _Justified)
        person = person_of(request, fingerprint)
        return json_answer(
            await service.reject(person, request.path_params["id"], body.justification)
        )

    @post(router, "/v1/rollback", "Halt the rollout, or go back to an earlier bundle", _Rollback)
    async def rollback(request: Request) -> Response:
        body = await read_body(request, _Rollback)
        person = person_of(request, fingerprint)
        return json_answer(await service.rollback(person, body.to, body.justification))


def _add_requests(router: APIRouter, service: ChangeService, fingerprint: Fingerprint) -> None:
    @post(router, "/v1/protections", "Protect processes at once", _Protection)
    async def protect(request: Request) -> Response:
        body = await read_body(request, _Protection)
        kind, text = _pattern(body.regex, body.glob)
        wish = parse_protection(kind, text, body.reason, body.control)
        view = await service.protect(person_of(request, fingerprint), wish)
        return json_answer(view, HTTPStatus.CREATED)

    @post(router, "/v1/exceptions", "Ask for an exception from soft rules", _Exception)
    async def propose(request: Request) -> Response:
        body = await read_body(request, _Exception)
        kind, text = _pattern(body.regex, body.glob)
        wish = parse_exception(
            body.rules, kind, text, body.environment, body.region, body.hours, body.reason
        )
        view = await service.request_exception(person_of(request, fingerprint), wish)
        return json_answer(view, HTTPStatus.CREATED)

    @post(router, "/v1/exceptions/{id}/revoke", "End a live exception now", _Justified)
    async def revoke(request: Request) -> Response:
        body = await read_body(request, _Justified)
        person = person_of(request, fingerprint)
        id = request.path_params["id"]
        return json_answer(await service.revoke_exception(person, id, body.justification))


def _pattern(regex: str, glob: str) -> tuple[str, str]:
    if bool(regex) == bool(glob):
        raise InputError("write exactly one of regex and glob")
    return ("regex", regex) if regex else ("glob", glob)
