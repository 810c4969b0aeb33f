"""The change queue over HTTP: what authors, approvers and operators ask for (docs/formats.md
section 12)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.gate import Caller
from gateway.api.problems import ProblemError
from gateway.changes.approvals import Approving
from gateway.changes.people import Person
from gateway.changes.scope import parse_exception, parse_protection
from gateway.changes.service import ChangeService
from gateway.errors import InputError

BODY_LIMITS = BodyLimits(max_bytes=1024 * 1024)
ARCHIVE_LIMITS = BodyLimits(max_bytes=12 * 1024 * 1024, timeout_seconds=60.0)
MAX_LOSSES = 2_000  # with names of at most 200 characters; a longer list is named by its hash
MAX_READING = 2

Text = Annotated[str, msgspec.Meta(max_length=4_096)]
Word = Annotated[str, msgspec.Meta(max_length=512)]
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


_Body = TypeVar("_Body", bound=msgspec.Struct)
Fingerprint = Callable[[bytes], str]


@lru_cache(maxsize=1_024)
def key_fingerprint(certificate: bytes) -> str:
    """hex(SHA-256) of the public key (SPKI, DER) of a certificate (DER) that was identified."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


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
        return _json(await service.list_changes(with_past=all))

    @router.get("/v1/changes/{id}", summary="One change, with its impact and its rollout")
    async def show_change(id: str) -> Response:
        found = await service.show_change(id)
        if found is None:
            raise ProblemError("not-found", f"there is no change {id}")
        return _json(found)

    @router.get("/v1/exceptions", summary="Live exceptions")
    async def list_exceptions() -> Response:
        return _json(await service.list_exceptions())


def _add_queue(router: APIRouter, service: ChangeService, fingerprint: Fingerprint) -> None:
    reading = asyncio.Semaphore(MAX_READING)  # an archive is large, and a few people stage

    @_post(router, "/v1/changes", "Stage a signed bundle", _Staging)
    async def stage(request: Request) -> Response:
        async with reading:
            data = await read_json_body(request, ARCHIVE_LIMITS)
            body = await asyncio.to_thread(_decode, data, _Staging)
            del data
            person = _person(request, fingerprint)
            view = await service.stage_bundle(person, body.archive, body.justification)
        return _json(view, HTTPStatus.CREATED)

    @_post(router, "/v1/changes/{id}/approve", "Approve somebody else's change", _Approval)
    async def approve(request: Request) -> Response:
        body = await _read(request, _Approval)
        return _json(
            await service.approve(
                _person(request, fingerprint),
                request.path_params["id"],
                Approving(body.bundle, body.losses, body.losses_hash),
                body.justification,
                body.approval_id,
            )
        )

    @_post(router, "/v1/changes/{id}/reject", "Reject a change or end its rollout", _Justified)
    async def reject(request: Request) -> Response:
        body = await _read(request, _Justified)
        person = _person(request, fingerprint)
        return _json(await service.reject(person, request.path_params["id"], body.justification))

    @_post(router, "/v1/rollback", "Halt the rollout, or go back to an earlier bundle", _Rollback)
    async def rollback(request: Request) -> Response:
        body = await _read(request, _Rollback)
        person = _person(request, fingerprint)
        return _json(await service.rollback(person, body.to, body.justification))


def _add_requests(router: APIRouter, service: ChangeService, fingerprint: Fingerprint) -> None:
    @_post(router, "/v1/protections", "Protect processes at once", _Protection)
    async def protect(request: Request) -> Response:
        body = await _read(request, _Protection)
        kind, text = _pattern(body.regex, body.glob)
        wish = parse_protection(kind, text, body.reason, body.control)
        view = await service.protect(_person(request, fingerprint), wish)
        return _json(view, HTTPStatus.CREATED)

    @_post(router, "/v1/exceptions", "Ask for an exception from soft rules", _Exception)
    async def propose(request: Request) -> Response:
        body = await _read(request, _Exception)
        kind, text = _pattern(body.regex, body.glob)
        wish = parse_exception(
            body.rules, kind, text, body.environment, body.region, body.hours, body.reason
        )
        view = await service.request_exception(_person(request, fingerprint), wish)
        return _json(view, HTTPStatus.CREATED)

    @_post(router, "/v1/exceptions/{id}/revoke", "End a live exception now", _Justified)
    async def revoke(request: Request) -> Response:
        body = await _read(request, _Justified)
        person = _person(request, fingerprint)
        id = request.path_params["id"]
        return _json(await service.revoke_exception(person, id, body.justification))


def _post(
    router: APIRouter, path: str, summary: str, body: type[msgspec.Struct]
) -> Callable[[Callable[[Request], Awaitable[Response]]], object]:
    """A route that reads its own body, with the body's schema for the OpenAPI document."""
    _, components = msgspec.json.schema_components([body], ref_template="#/$defs/{name}")
    [schema] = components.values()
    content = {"application/json": {"schema": schema}}
    more: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return router.post(path, summary=summary, openapi_extra=more)


def _person(request: Request, fingerprint: Fingerprint) -> Person:
    caller: Caller = request.scope["state"]["caller"]
    return Person(caller.subject.uri, fingerprint(caller.certificate))


async def _read(request: Request, kind: type[_Body]) -> _Body:
    return _decode(await read_json_body(request, BODY_LIMITS), kind)


def _decode(data: bytes, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        detail = str(error) if isinstance(error, msgspec.ValidationError) else "it is not JSON"
        raise InputError(f"the body: {detail}") from None


def _pattern(regex: str, glob: str) -> tuple[str, str]:
    if bool(regex) == bool(glob):
        raise InputError("write exactly one of regex and glob")
    return ("regex", regex) if regex else ("glob", glob)


def _json(value: object, status: int = HTTPStatus.OK) -> Response:
    return Response(
        msgspec.json.encode(value), status_code=int(status), media_type="application/json"
    )
