"""An `evaluations` entry, parsed once (docs/formats.md section 9)."""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.clock import parse_time
from gateway.decisions.verdict import Settled
from gateway.engine.port import EngineVersion
from gateway.errors import InputError
from gateway.wire.verdicts import Action, Effect, Reason

EVALUATIONS = "evaluations"
ACTIVE_LANE = "active"
CANARY_LANE = "canary"


class RecordedShapeError(InputError):
    """Something recorded is not of the shape that this gateway writes."""


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A class, by its id, and the verdict that it was given: the very bytes of the log."""

    class_id: str
    verdict: bytes

    def value(self) -> dict[str, Any]:
        """The verdict for people; empty where its bytes are no object."""
        try:
            return _decode_object(self.verdict)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return {}


@dataclass(frozen=True, slots=True)
class CandidatePin:
    """The bundle in canary that was asked too."""

    bundle: str
    floor: str
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluations:
    """One entry: verdicts, with everything that they were given under. `context_us` is the time
    that policies were asked at, `time_us` the entry's own."""

    seq: int
    time_us: int
    activation: int
    bundle: str
    floor: str
    exceptions: str
    engine: EngineVersion
    context_us: int
    windows: tuple[str, ...]
    lane: str
    candidate: CandidatePin | None
    items: tuple[RecordedVerdict, ...]


class _Engine(msgspec.Struct):
    name: str
    version: str


class _Context(msgspec.Struct):
    time: str
    windows: tuple[str, ...]


class _Candidate(msgspec.Struct):
    bundle: str
    floor: str
    windows: tuple[str, ...]


class _Item(msgspec.Struct, rename={"class_id": "class"}):
    class_id: str
    verdict: msgspec.Raw


class _Body(msgspec.Struct):
    activation: int
    bundle: str
    floor: str
    exceptions: str
    engine: _Engine
    context: _Context
    items: tuple[_Item, ...]
    lane: str = ACTIVE_LANE
    candidate: _Candidate | None = None


class _Verdict(msgspec.Struct, forbid_unknown_fields=True):
    action: Action
    sample_permille: int
    effect: Effect
    reasons: tuple[Reason, ...]
    obligations: tuple[dict[str, Any], ...]
    ttl_seconds: int


class _Entry(msgspec.Struct):
    seq: int
    time: str
    type: str
    body: msgspec.Raw


_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_body = msgspec.json.Decoder(_Body).decode
_decode_verdict = msgspec.json.Decoder(_Verdict).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry's place and bytes. Whether the bytes hold is the verifier's to say."""

    seq: int
    data: bytes


def is_evaluations(data: bytes) -> bool:
    """Whether the bytes are an entry of type `evaluations`, or no entry at all: those are for
    `parse_evaluations` to refuse."""
    try:
        return _decode_entry(data).type == EVALUATIONS
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True


def parse_evaluations(entry: StoredEntry) -> Evaluations:
    """The entry's content; raises RecordedShapeError naming the entry."""
    try:
        outer = _decode_entry(entry.data)
        body = _decode_body(outer.body)
        time_us, context_us = parse_time(outer.time), parse_time(body.context.time)
        if outer.seq != entry.seq or outer.type != EVALUATIONS:
            raise ValueError(f"it says it is {outer.type} {outer.seq}")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordedShapeError(f"entry {entry.seq} is no evaluations entry: {error}") from None
    pin = body.candidate
    return Evaluations(
        seq=entry.seq,
        time_us=time_us,
        activation=body.activation,
        bundle=body.bundle,
        floor=body.floor,
        exceptions=body.exceptions,
        engine=EngineVersion(body.engine.name, body.engine.version),
        context_us=context_us,
        windows=body.context.windows,
        lane=body.lane,
        candidate=None if pin is None else CandidatePin(pin.bundle, pin.floor, pin.windows),
        items=tuple(RecordedVerdict(item.class_id, bytes(item.verdict)) for item in body.items),
    )


def parse_verdict(value: bytes) -> Settled:
    """A verdict as it was settled; raises RecordedShapeError."""
    try:
        found = _decode_verdict(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordedShapeError(f"no verdict of ours: {error}") from None
    return Settled(
        action=found.action,
        sample_permille=found.sample_permille,
        effect=found.effect,
        reasons=found.reasons,
        obligations=found.obligations,
        ttl_seconds=found.ttl_seconds,
    )
