"""The Rego engine: one Open Policy Agent, asked one array per call.

A question that fails as a whole is split until only the classes at fault fail; the time for all of
it is bounded. A wrong revision, or an OPA that is not there, fails every class at once.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.engine.answer import (
    Envelope,
    SpoiledAnswerError,
    read_envelope,
    read_verdicts,
    revisions,
)
from gateway.engine.client import OpaAddress, OpaClient, RawAnswer, UnreachableError
from gateway.engine.port import EngineFailure, EngineVersion, RuleVerdict
from gateway.engine.question import Proposed, encode_question, propose, refs_for
from gateway.errors import CanonicalError
from gateway.wire.classes import ProcessClass, Sender

Answer = RuleVerdict | EngineFailure

_TIMED_OUT = EngineFailure("timeout", "no answer within the time for this question")
_MAX_DETAIL = 300


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Times in seconds. `deadline_seconds` bounds a whole `evaluate`; a question of n classes gets
    a share of it that grows with n, so that one class that loops leaves time for the others."""

    deadline_seconds: float = 2.0
    health_seconds: float = 1.0
    max_classes: int = 500
    split_from: int = 64
    parts: int = 8
    concurrent: int = 4
    max_body_bytes: int = 1024 * 1024
    max_body_bytes_per_class: int = 40_000

    def seconds_for(self, classes: int, is_first: bool) -> float:
        """The time for one question: alone a quarter of the deadline, first at least two fifths."""
        share = 0.25 if classes == 1 else min(0.6, 0.05 + 0.0005 * classes)
        return self.deadline_seconds * (max(share, 0.4) if is_first else share)


DEFAULT_LIMITS = EngineLimits()


class OpaEngine:
    """Asks one OPA. `expected` maps each bundle's name to its revision: an answer counts only when
    its provenance says exactly that, but for bundles named in `others`, and names the version of
    OPA that `connect` learned. `on_outcome` hears the code of each question's failure, or None for
    an answer."""

    def __init__(
        self,
        address: OpaAddress,
        expected: Mapping[str, str],
        limits: EngineLimits = DEFAULT_LIMITS,
        on_outcome: Callable[[str | None], None] = lambda _code: None,
        others: Collection[str] = (),
    ) -> None:
        self._client = OpaClient(address, limits.deadline_seconds)
        self._expected = dict(expected)
        self._others = frozenset(others) - self._expected.keys()
        self._limits = limits
        self._on_outcome = on_outcome
        self._slots = asyncio.Semaphore(limits.concurrent)
        self._version = EngineVersion("opa", "")
        self._closed = False

    @property
    def version(self) -> EngineVersion:
        """As OPA's provenance says; the version is empty before `connect`."""
        return self._version

    async def open(self) -> None:
        """Make the session; `health` may be asked from here on."""
        await self._client.open()

    async def connect(self) -> EngineFailure | None:
        """Ask about nothing: learns the version and whether the expected revisions answer."""
        body = encode_question(Sender("", "", ""), (), {})
        try:
            async with asyncio.timeout(self._limits.deadline_seconds):
                answer = await self._client.ask(body, self._limits.max_body_bytes)
            _raise_for_status(answer)
            envelope = read_envelope(answer.body)
        except TimeoutError:
            return _TIMED_OUT
        except (_RefusedQuestionError, SpoiledAnswerError) as error:
            return error.failure
        except UnreachableError as error:
            return EngineFailure("unreachable", str(error))
        self._version = EngineVersion("opa", envelope.provenance.version)
        return self._wrong_revision(revisions(envelope))

    async def evaluate(
        self,
        sender: Sender,
        windows: Sequence[str],
        classes: Sequence[ProcessClass],
        seconds: float = math.inf,
    ) -> list[Answer]:
        """One answer per class, by position; failures stand at their positions. `seconds` shortens
        the deadline for whoever has used up some of it."""
        answers: list[Answer] = [_TIMED_OUT] * len(classes)
        proposals: dict[int, Proposed] = {}
        for position, process_class in enumerate(classes):
            try:
                proposals[position] = propose(sender, process_class)
            except CanonicalError as error:
                answers[position] = EngineFailure("malformed", str(error))
        if self._closed:
            closed = EngineFailure("unreachable", "the engine is closed")
            return [closed if at in proposals else answers[at] for at in range(len(classes))]
        errand = _Errand(sender, tuple(windows), proposals, answers)
        try:
            async with asyncio.timeout(min(seconds, self._limits.deadline_seconds)):
                await self._settle_parts(errand, self._first_parts(list(proposals)), is_first=True)
        except TimeoutError:
            pass  # what has no answer yet keeps the failure it started with
        return answers

    async def health(self) -> str | None:
        """None when OPA answers its probe."""
        if self._closed:
            return "the engine is closed"
        if await self._client.is_healthy(self._limits.health_seconds):
            return None
        return "OPA does not answer its health probe"

    async def aclose(self) -> None:
        """Close the session; OPA itself is not ours to stop here."""
        self._closed = True
        await self._client.aclose()

    def _first_parts(self, positions: list[int]) -> list[list[int]]:
        """Two questions use two cores; more than `max_classes` in one would take too long."""
        count = len(positions)
        pieces = 2 if count >= self._limits.split_from else 1
        pieces = max(pieces, -(-count // self._limits.max_classes))
        return _split(positions, pieces)

    async def _settle_parts(
        self, errand: "_Errand", parts: list[list[int]], is_first: bool = False
    ) -> None:
        if len(parts) == 1:
            await self._settle(errand, parts[0], is_first)
            return
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self._settle(errand, part, is_first))

    async def _settle(self, errand: "_Errand", positions: list[int], is_first: bool) -> None:
        """Answer these positions, splitting as long as a question fails as a whole."""
        try:
            found = await self._ask(errand, positions, is_first)
        except _RefusedQuestionError as refused:
            self._on_outcome(refused.failure.code)
            errand.fail(positions, refused.failure)
        except UnreachableError as error:
            self._on_outcome("unreachable")
            errand.fail(positions, EngineFailure("unreachable", str(error)))
        except SpoiledAnswerError as spoiled:
            self._on_outcome(spoiled.failure.code)
            if len(positions) == 1:
                errand.fail(positions, spoiled.failure)
            else:
                await self._settle_parts(errand, _split(positions, self._limits.parts))
        else:
            self._on_outcome(None)
            for position, answer in zip(positions, found, strict=True):
                errand.answers[position] = answer

    async def _ask(self, errand: "_Errand", positions: list[int], is_first: bool) -> list[Answer]:
        asked = refs_for([errand.proposals[position] for position in positions])
        count = len(asked)
        limit = self._limits.max_body_bytes + count * self._limits.max_body_bytes_per_class
        body = encode_question(errand.sender, errand.windows, asked)
        try:
            async with self._slots, asyncio.timeout(self._limits.seconds_for(count, is_first)):
                answer = await self._client.ask(body, limit)
        except TimeoutError:
            raise SpoiledAnswerError("timeout", _TIMED_OUT.detail) from None
        _raise_for_status(answer)
        envelope = read_envelope(answer.body)
        failure = self._wrong_revision(revisions(envelope)) or self._other_version(envelope)
        if failure is not None:
            raise _RefusedQuestionError(failure)
        return read_verdicts(envelope, asked)

    def _wrong_revision(self, found: Mapping[str, str]) -> EngineFailure | None:
        counted = {name: found[name] for name in found if name not in self._others}
        if counted == self._expected:
            return None
        shown = ", ".join(f"{name}: {revision}" for name, revision in sorted(found.items()))
        return EngineFailure("wrong_revision", f"answered by {shown or 'no bundle'}"[:_MAX_DETAIL])

    def _other_version(self, envelope: Envelope) -> EngineFailure | None:
        """The log pins the version (P9), so an OPA that was exchanged has to be met anew first."""
        known, found = self._version.version, envelope.provenance.version
        if not known or found == known:
            return None
        return EngineFailure("other_version", f"answered by OPA {found}, not {known}"[:_MAX_DETAIL])


@dataclass(frozen=True, slots=True)
class _Errand:
    """One `evaluate` under way: proposals by position, and answers as they come."""

    sender: Sender
    windows: tuple[str, ...]
    proposals: Mapping[int, Proposed]
    answers: list[Answer]

    def fail(self, positions: Sequence[int], failure: EngineFailure) -> None:
        for position in positions:
            self.answers[position] = failure


class _RefusedQuestionError(Exception):
    """No smaller question would be answered either."""

    def __init__(self, failure: EngineFailure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class _OpaProblem(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _OpaError(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""
    errors: tuple[_OpaProblem, ...] = ()


def _raise_for_status(answer: RawAnswer) -> None:
    """Sort an error of OPA's (its REST API, section Errors) into a failure."""
    if answer.is_ok:
        return
    try:
        error = msgspec.json.decode(answer.body, type=_OpaError)
    except (msgspec.MsgspecError, RecursionError):
        raise SpoiledAnswerError("malformed", f"HTTP {answer.status}") from None
    if error.code == "unauthorized":
        raise _RefusedQuestionError(EngineFailure("unreachable", "OPA refuses the token"))
    first = error.errors[0] if error.errors else _OpaProblem(error.code, error.message)
    code = {
        "eval_builtin_error": "builtin_error",
        "eval_cancel_error": "timeout",
    }.get(first.code, "evaluation_error" if error.errors else "malformed")
    # OPA's message can quote the input, which may be personal: only the kind of error goes on.
    raise SpoiledAnswerError(code, f"HTTP {answer.status}, {first.code}"[:_MAX_DETAIL])


def _split(positions: list[int], pieces: int) -> list[list[int]]:
    size = max(1, -(-len(positions) // pieces))
    return [positions[start : start + size] for start in range(0, len(positions), size)]
