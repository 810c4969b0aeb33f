"""What the routes of people share: who asks, how bodies are read, how answers are written."""

import hashlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.gate import Caller
from gateway.changes.people import Person
from gateway.errors import InputError

BODY_LIMITS = BodyLimits(max_bytes=1024 * 1024)

Text = Annotated[str, msgspec.Meta(max_length=4_096)]
Word = Annotated[str, msgspec.Meta(max_length=512)]

Body = TypeVar("Body", bound=msgspec.Struct)
Fingerprint = Callable[[bytes], str]


@lru_cache(maxsize=1_024)
def key_fingerprint(certificate: bytes) -> str:
    """hex(SHA-256) of the public key (SPKI, DER) of a certificate (DER) that was identified."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def post(
    router: APIRouter, path: str, summary: str, body: type[msgspec.Struct]
) -> Callable[[Callable[[Request], Awaitable[Response]]], object]:
    """A route that reads its own body, with the body's schema for the OpenAPI document."""
    _, components = msgspec.json.schema_components([body], ref_template="#/$defs/{name}")
    [schema] = components.values()
    content = {"application/json": {"schema": schema}}
    more: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return router.post(path, summary=summary, openapi_extra=more)


def person_of(request: Request, fingerprint: Fingerprint) -> Person:
    """The caller, as the certificate says."""
    caller: Caller = request.scope["state"]["caller"]
    return Person(caller.subject.uri, fingerprint(caller.certificate))


async def read_body(request: Request, kind: type[Body]) -> Body:
    """Raises InputError, and as `read_json_body`."""
    return decode_body(await read_json_body(request, BODY_LIMITS), kind)


def decode_body(data: bytes, kind: type[Body]) -> Body:
    """Raises InputError that names the member, never its value."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        detail = str(error) if isinstance(error, msgspec.ValidationError) else "it is not JSON"
        raise InputError(f"the body: {detail}") from None


def json_answer(value: object, status: int = HTTPStatus.OK) -> Response:
    """A value as the answer."""
    return Response(
        msgspec.json.encode(value), status_code=int(status), media_type="application/json"
    )
