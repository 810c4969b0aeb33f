"""An `evaluations` entry, parsed once (docs/formats.md section 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.clock import parse_time
from gateway.decisions.verdict import Settled
from gateway.engine.port import EngineVersion
from gateway.errors import InputError
from gateway.transparency.entry import Entry
from gateway.wire.verdicts import Action, Effect, Reason

EVALUATIONS = "evaluations"
ACTIVE_LANE = "active"
CANARY_LANE = "canary"


class RecordedShapeError(InputError):
    """Something recorded is not of the shape that this gateway writes."""


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A class, by its id, and the verdict that it was given, as the log holds it."""

    class_id: str
    verdict: Mapping[str, Any]


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
    verdict: dict[str, Any]


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


def parse_evaluations(entry: Entry) -> Evaluations:
    """The entry's content; raises RecordedShapeError naming the entry."""
    try:
        body = msgspec.convert(entry.body, _Body)
        context_us = parse_time(body.context.time)
    except (msgspec.ValidationError, ValueError) as error:
        raise RecordedShapeError(f"entry {entry.seq} is no evaluations entry: {error}") from None
    pin = body.candidate
    return Evaluations(
        seq=entry.seq,
        time_us=entry.time_us,
        activation=body.activation,
        bundle=body.bundle,
        floor=body.floor,
        exceptions=body.exceptions,
        engine=EngineVersion(body.engine.name, body.engine.version),
        context_us=context_us,
        windows=body.context.windows,
        lane=body.lane,
        candidate=None if pin is None else CandidatePin(pin.bundle, pin.floor, pin.windows),
        items=tuple(RecordedVerdict(item.class_id, item.verdict) for item in body.items),
    )


def parse_verdict(value: Mapping[str, Any]) -> Settled:
    """A verdict as it was settled; raises RecordedShapeError."""
    try:
        found = msgspec.convert(value, _Verdict)
    except msgspec.ValidationError as error:
        raise RecordedShapeError(f"no verdict of ours: {error}") from None
    return Settled(
        action=found.action,
        sample_permille=found.sample_permille,
        effect=found.effect,
        reasons=found.reasons,
        obligations=found.obligations,
        ttl_seconds=found.ttl_seconds,
    )
