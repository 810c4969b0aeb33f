"""The witness's judgement: one request in, one answer out, the state on disk in between.

The order of the checks and the status codes are tlog-witness's, section "add-checkpoint".
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from gateway.clock import Clock
from gateway.errors import ConfigError, InputError
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint_by_any
from gateway.transparency.cosignature import Cosigner
from gateway.transparency.errors import NoteError, ProofError, SignatureError, UnsignedError
from gateway.transparency.merkle import EMPTY_ROOT, verify_consistency
from gateway.transparency.notes import Verifier, split_note
from gateway.witness.memory import WitnessMemory
from gateway.witness.requests import AddCheckpoint, parse_add_checkpoint

SIZE_MEDIA_TYPE = "text/x.tlog.size"
TEXT_MEDIA_TYPE = "text/plain; charset=utf-8"

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, body, media type; `origin` is the log's, once it is a known one."""

    status: HTTPStatus
    body: str
    media_type: str = TEXT_MEDIA_TYPE
    origin: str = ""


class Witness:
    """Cosigns what extends what it cosigned before. Any number of threads may ask."""

    def __init__(
        self,
        cosigner: Cosigner,
        logs: Mapping[str, Sequence[Verifier]],
        memory: WitnessMemory,
        clock: Clock,
    ) -> None:
        """`logs`: the keys that each origin signs with."""
        self._cosigner = cosigner
        self._logs = logs
        self._memory = memory
        self._clock = clock
        # Comparing, remembering and signing are one step: else an older submission that was
        # compared first and remembered last would roll the memory back.
        self._one_at_a_time = threading.Lock()

    def newest_size(self, origin: str) -> int:
        """The size of the newest checkpoint cosigned of a log, 0 before the first."""
        newest = self._memory.newest(origin)
        return 0 if newest is None else newest.size

    def add_checkpoint(self, body: bytes) -> Answer:
        """Judge one submission. Blocking: a cosignature leaves after the disk has it."""
        try:
            asked = parse_add_checkpoint(body)
            text, _ = split_note(asked.unverified_note)
        except (InputError, NoteError) as error:
            return _refuse(HTTPStatus.BAD_REQUEST, str(error))
        keys = self._logs.get(asked.origin)
        if keys is None:
            return _refuse(HTTPStatus.NOT_FOUND, "the log is not one that is witnessed here")
        try:
            submitted = open_checkpoint_by_any(asked.unverified_note, keys)
        except (SignatureError, UnsignedError) as error:
            return _refuse(HTTPStatus.FORBIDDEN, str(error), asked.origin)
        except NoteError as error:
            return _refuse(HTTPStatus.BAD_REQUEST, str(error), asked.origin)
        if asked.old_size > submitted.size:
            reason = f"a tree of {submitted.size} entries does not extend one of {asked.old_size}"
            return _refuse(HTTPStatus.BAD_REQUEST, reason, asked.origin)
        with self._one_at_a_time:
            return self._judge(asked, submitted, text)

    def _judge(self, asked: AddCheckpoint, submitted: Checkpoint, text: str) -> Answer:
        kept = self._memory.newest(submitted.origin)
        size, root = (0, EMPTY_ROOT) if kept is None else (kept.size, kept.root)
        if asked.old_size != size or (submitted.size == size and submitted.root != root):
            return Answer(HTTPStatus.CONFLICT, f"{size}\n", SIZE_MEDIA_TYPE, submitted.origin)
        try:
            verify_consistency(size, submitted.size, root, submitted.root, asked.proof)
        except ProofError as error:
            return _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), submitted.origin)
        if kept is None or submitted.size > size:
            try:
                self._memory.keep(submitted)
            except ConfigError:  # its text names a path of this machine
                reason = "the witness cannot remember it, so it does not cosign it"
                return _refuse(HTTPStatus.SERVICE_UNAVAILABLE, reason, submitted.origin)
        line = self._cosigner.cosign(text, self._clock.now_us() // _MICROSECONDS)
        return Answer(HTTPStatus.OK, line, origin=submitted.origin)


def _refuse(status: HTTPStatus, reason: str, origin: str = "") -> Answer:
    return Answer(status, f"{reason}\n", origin=origin)
