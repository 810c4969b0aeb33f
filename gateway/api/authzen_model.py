"""Reads AuthZEN requests (Authorization API 1.0, sections 5 to 7) into proposals of ours.

One evaluation that cannot be read fails alone; what is wrong around them fails the request.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

import msgspec

from gateway.decisions.proposals import MAX_PROPOSALS
from gateway.errors import InputError, TooLargeError

Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]

SUBJECT_TYPE = "collector"
RESOURCE_TYPE = "process"
_PROPOSAL_MEMBERS = ("sample_rate", "score", "profile", "scorer", "why")
_MAX_MESSAGE = 200

_Properties: TypeAlias = dict[str, msgspec.Raw] | None
_Part: TypeAlias = msgspec.Raw | msgspec.UnsetType


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one evaluation gets no verdict; `status` as in HTTP."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Question:
    """One evaluation as a proposal of `/v1/decisions`, without its ref."""

    process: dict[str, msgspec.Raw]
    action: str
    members: dict[str, msgspec.Raw]

    def proposal(self, ref: str) -> dict[str, object]:
        """The proposal, to be encoded."""
        return {**self.members, "action": self.action, "process": self.process, "ref": ref}


Item: TypeAlias = Question | ItemError


@dataclass(frozen=True, slots=True)
class Batch:
    """The evaluations in their order; `is_single` where the answer is one decision, no array."""

    items: tuple[Item, ...]
    semantic: Semantic = "execute_all"
    is_single: bool = False


class _Entity(msgspec.Struct, frozen=True):
    type: str
    id: str
    properties: _Properties = None


class _Action(msgspec.Struct, frozen=True):
    name: str
    properties: _Properties = None


class _Options(msgspec.Struct, frozen=True):
    evaluations_semantic: Semantic = "execute_all"


class _Parts(msgspec.Struct, frozen=True):
    subject: _Part = msgspec.UNSET
    action: _Part = msgspec.UNSET
    resource: _Part = msgspec.UNSET
    context: _Part = msgspec.UNSET


class _Request(_Parts, frozen=True):
    evaluations: list[msgspec.Raw] | None = None
    options: _Options | None = None


_REQUESTS = msgspec.json.Decoder(_Request)
_PARTS = msgspec.json.Decoder(_Parts)
_ENTITIES = msgspec.json.Decoder(_Entity)
_ACTIONS = msgspec.json.Decoder(_Action)
_CONTEXTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def read_single(body: bytes, caller_uri: str) -> Batch:
    """A request of the Access Evaluation API; raises InputError."""
    return Batch((_read_item(_read_request(body), None, caller_uri),), is_single=True)


def read_batch(body: bytes, caller_uri: str) -> Batch:
    """A request of the Access Evaluations API; without `evaluations` it is a single one.

    Raises InputError, and TooLargeError for more than 1,000 evaluations."""
    request = _read_request(body)
    semantic = (request.options or _Options()).evaluations_semantic
    if not request.evaluations:
        return Batch((_read_item(request, None, caller_uri),), semantic, is_single=True)
    if len(request.evaluations) > MAX_PROPOSALS:
        raise TooLargeError(f"{len(request.evaluations)} evaluations; send at most {MAX_PROPOSALS}")
    items = tuple(_read_evaluation(raw, request, caller_uri) for raw in request.evaluations)
    return Batch(items, semantic)


def _read_request(body: bytes) -> _Request:
    try:
        return _REQUESTS.decode(body)
    except _UNREADABLE as error:
        raise InputError(f"the body is no AuthZEN request: {_short(error)}") from None


def _read_evaluation(raw: msgspec.Raw, defaults: _Parts, caller_uri: str) -> Item:
    try:
        parts = _PARTS.decode(raw)
    except _UNREADABLE as error:
        return ItemError(HTTPStatus.BAD_REQUEST, _short(error))
    return _read_item(parts, defaults, caller_uri)


def _read_item(own: _Parts, defaults: _Parts | None, caller_uri: str) -> Item:
    try:
        subject = _ENTITIES.decode(_part("subject", own, defaults))
        action = _ACTIONS.decode(_part("action", own, defaults))
        resource = _ENTITIES.decode(_part("resource", own, defaults))
        _CONTEXTS.decode(_part("context", own, defaults, b"{}"))
    except InputError as error:
        return ItemError(HTTPStatus.BAD_REQUEST, str(error))
    except _UNREADABLE as error:
        return ItemError(HTTPStatus.BAD_REQUEST, _short(error))
    if (subject.type, subject.id) != (SUBJECT_TYPE, caller_uri):
        message = f"the subject must be the caller: type {SUBJECT_TYPE}, id {caller_uri}"
        return ItemError(HTTPStatus.FORBIDDEN, message)
    if resource.type != RESOURCE_TYPE:
        message = f"there are no such resources; ask about type {RESOURCE_TYPE}"
        return ItemError(HTTPStatus.NOT_FOUND, message)
    properties = action.properties or {}
    members = {name: properties[name] for name in _PROPOSAL_MEMBERS if name in properties}
    return Question(resource.properties or {}, action.name, members)


def _part(name: str, own: _Parts, defaults: _Parts | None, absent: bytes = b"") -> bytes:
    """An evaluation's own part as a whole, else the request's; parts are never mixed."""
    for parts in (own, defaults):
        part: _Part = getattr(parts, name, msgspec.UNSET)
        if part is not msgspec.UNSET:
            return bytes(part)
    if not absent:
        raise InputError(f"{name} is missing")
    return absent


def _short(error: BaseException) -> str:
    return str(error)[:_MAX_MESSAGE] or "nested too deep"
