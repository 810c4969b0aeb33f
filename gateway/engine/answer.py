"""Reads an engine's answer strictly: anything but a well-formed verdict for a ref is a failure.

Source: docs/formats.md section 6. Nothing here raises but `SpoiledAnswerError`: the answer as a
whole cannot be attributed to refs, so its classes must be asked again in smaller groups.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from gateway.engine.port import (
    DEFAULT_TTL_SECONDS,
    MAX_TTL_SECONDS,
    EngineFailure,
    RuleVerdict,
)
from gateway.engine.question import Proposed
from gateway.errors import EngineError
from gateway.wire.verdicts import KEEP_PERMILLE, Action, Level, Reason, protection

MAX_VERDICT_BYTES = 32_768  # a verdict must fit into one entry of the log, with room beside it
_MAX_ITEMS = 128
_MAX_DAYS = 36_525

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=2_048)]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Names: TypeAlias = Annotated[list[Name], msgspec.Meta(min_length=1, max_length=_MAX_ITEMS)]
Days: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_MAX_DAYS)]


class SpoiledAnswerError(EngineError):
    """The answer to a whole question is unusable; `failure` is what each of its classes gets if it
    stays so when asked alone."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.failure = EngineFailure(code, detail)


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class _RetainDays(_Strict, frozen=True, tag_field="type", tag="retain_days"):
    at_least: Days | msgspec.UnsetType = msgspec.UNSET
    at_most: Days | msgspec.UnsetType = msgspec.UNSET
    at_hand: Days | msgspec.UnsetType = msgspec.UNSET


class _NoSampling(_Strict, frozen=True, tag_field="type", tag="no_sampling"):
    pass


class _FullAudit(_Strict, frozen=True, tag_field="type", tag="full_audit"):
    pass


class _Encrypt(_Strict, frozen=True, tag_field="type", tag="encrypt"):
    pass


class _AllowedRegions(_Strict, frozen=True, tag_field="type", tag="allowed_regions"):
    regions: Names


class _Mask(_Strict, frozen=True, tag_field="type", tag="mask"):
    attributes: Names


_Obligation = _RetainDays | _NoSampling | _FullAudit | _Encrypt | _AllowedRegions | _Mask


class _Reason(_Strict, frozen=True):
    control: Name
    rule: Name
    level: Level
    message: Text
    remediation: Text = ""


class _Verdict(_Strict, frozen=True):
    ref: str
    decision: Literal["permit", "protect"]
    action: Action
    sample_permille: Annotated[int, msgspec.Meta(ge=0, le=KEEP_PERMILLE)]
    reasons: msgspec.Raw
    obligations: msgspec.Raw
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_TTL_SECONDS)] = DEFAULT_TTL_SECONDS


class _OnlyRef(msgspec.Struct, frozen=True):
    ref: str


class _Revision(msgspec.Struct, frozen=True):
    revision: str = ""


class _Provenance(msgspec.Struct, frozen=True):
    version: str = ""
    bundles: dict[str, _Revision] = {}


class Envelope(msgspec.Struct, frozen=True):
    """An answer whose verdicts are not looked at yet. `result` is unset when undefined."""

    provenance: _Provenance = _Provenance()
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_ENVELOPES = msgspec.json.Decoder(Envelope)
_ALL_VERDICTS = msgspec.json.Decoder(list[_Verdict])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_VERDICTS = msgspec.json.Decoder(_Verdict)
_REASONS = msgspec.json.Decoder(Annotated[list[_Reason], msgspec.Meta(max_length=_MAX_ITEMS)])
_OBLIGATIONS = msgspec.json.Decoder(
    Annotated[list[_Obligation], msgspec.Meta(max_length=_MAX_ITEMS)]
)
_REFS = msgspec.json.Decoder(_OnlyRef)


def read_envelope(body: bytes) -> Envelope:
    """Raises SpoiledAnswerError (`malformed`) for what is not JSON of that shape."""
    try:
        return _ENVELOPES.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise SpoiledAnswerError("malformed", _short(error)) from None


def revisions(envelope: Envelope) -> dict[str, str]:
    """Bundle name to revision, as the answer's provenance says."""
    return {name: found.revision for name, found in envelope.provenance.bundles.items()}


def read_verdicts(
    envelope: Envelope, asked: Mapping[str, Proposed]
) -> list[RuleVerdict | EngineFailure]:
    """One answer per ref asked about, in that order.

    A ref that nobody asked about, or one that comes twice, spoils the whole answer: alone, each
    class shows whether the fault is its own, so that a batch equals its singles."""
    if isinstance(envelope.result, msgspec.UnsetType):
        raise SpoiledAnswerError("undefined", "data.main.verdicts is undefined for this input")
    memo = _Memo()
    found: dict[str, RuleVerdict | EngineFailure] = {}
    for ref, item in _read_items(envelope.result):
        if ref not in asked:
            raise SpoiledAnswerError("malformed", "a verdict for a ref that was not asked about")
        if ref in found:
            raise SpoiledAnswerError("duplicate", "two verdicts for one ref")
        found[ref] = item if isinstance(item, EngineFailure) else memo.read(item, asked[ref])
    missing = EngineFailure("missing", "no verdict for this ref")
    return [found.get(ref, missing) for ref in asked]


def _read_items(result: msgspec.Raw) -> Iterator[tuple[str, _Verdict | EngineFailure]]:
    """Verdicts with their refs; an item without a ref belongs to nobody and is left out, so that
    whose it should have been is missing."""
    try:
        for verdict in _ALL_VERDICTS.decode(result):
            yield verdict.ref, verdict
        return
    except (msgspec.MsgspecError, RecursionError):
        pass  # at least one is malformed: look at each
    try:
        items = _ITEMS.decode(result)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SpoiledAnswerError("malformed", _short(error)) from None
    for item in items:
        try:
            ref = _REFS.decode(item).ref
        except (msgspec.MsgspecError, RecursionError):
            continue
        try:
            yield ref, _VERDICTS.decode(item)
        except (msgspec.MsgspecError, RecursionError) as error:
            yield ref, EngineFailure("malformed", _short(error))


class _Memo:
    """Reads verdicts of one answer. Many share their reasons and obligations byte for byte."""

    def __init__(self) -> None:
        self._reasons: dict[bytes, tuple[Reason, ...]] = {}
        self._obligations: dict[bytes, tuple[Mapping[str, Any], ...]] = {}

    def read(self, verdict: _Verdict, proposed: Proposed) -> RuleVerdict | EngineFailure:
        reasons, obligations = bytes(verdict.reasons), bytes(verdict.obligations)
        if len(reasons) + len(obligations) > MAX_VERDICT_BYTES:
            return EngineFailure("malformed", f"a verdict of more than {MAX_VERDICT_BYTES} bytes")
        if fault := _fault(verdict, proposed):
            return EngineFailure("malformed", fault)
        try:
            if reasons not in self._reasons:
                self._reasons[reasons] = _read_reasons(reasons)
            if obligations not in self._obligations:
                self._obligations[obligations] = _read_obligations(obligations)
        except (msgspec.MsgspecError, RecursionError) as error:
            return EngineFailure("malformed", _short(error))
        return RuleVerdict(
            decision=verdict.decision,
            action=verdict.action,
            sample_permille=verdict.sample_permille,
            reasons=self._reasons[reasons],
            obligations=self._obligations[obligations],
            ttl_seconds=verdict.ttl_seconds,
        )


def _read_reasons(encoded: bytes) -> tuple[Reason, ...]:
    return tuple(
        Reason(item.control, item.rule, item.level, item.message, item.remediation)
        for item in _REASONS.decode(encoded)
    )


def _read_obligations(encoded: bytes) -> tuple[Mapping[str, Any], ...]:
    found = _OBLIGATIONS.decode(encoded)
    if any(isinstance(item, _RetainDays) and item == _RetainDays() for item in found):
        raise msgspec.ValidationError("retain_days without any days")
    return tuple(msgspec.to_builtins(item) for item in found)


def _fault(verdict: _Verdict, proposed: Proposed) -> str:
    """What is wrong with a verdict of the right shape; empty when nothing is."""
    share = verdict.sample_permille
    if (verdict.action == "drop") != (share == 0) or (verdict.action == "keep") != (
        share == KEEP_PERMILLE
    ):
        return "sample_permille does not go with the action"
    same = (verdict.action, share) == (proposed.action, proposed.sample_permille)
    if verdict.decision == "permit" and not same:
        return "a permit that does not repeat what was proposed"
    asked = protection(proposed.action, proposed.sample_permille)
    if protection(verdict.action, share) < asked:
        return "a verdict that protects less than what was proposed"
    return ""


def _short(error: BaseException) -> str:
    """What is wrong and where, without the value: it may be personal."""
    message, _, place = str(error).partition(" - at ")
    if message.startswith("Invalid"):
        message = "a value that is not allowed"
    return f"{message} at {place}"[:200] if place else message[:200]
