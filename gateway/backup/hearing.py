"""Listening before signing: a collector that comes shows the checkpoint that it kept.

A gateway that starts cannot know by itself that its database is an old copy. Collectors are the
witnesses that every log has, so for a moment after a start nothing is signed, while decisions are
answered, until one of them has shown what it kept, or nobody with more has come.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence

import structlog

from gateway.audit.witnesses import FORK_SEEN, WITNESSED_AHEAD
from gateway.backup.outlook import root_reader
from gateway.clock import Clock
from gateway.errors import LogUnavailableError, VerificationError
from gateway.storage import log_store
from gateway.storage.engine import Engine, StorageError, read_transaction
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint_by_any
from gateway.transparency.notes import Verifier

MAX_HEADER_CHARACTERS = 16_384

_NANOSECONDS = 1_000_000_000
_log = structlog.get_logger("gateway.hearing")


class Hearing:
    """One start's hearing. `is_waiting` and `problem` may be asked on any thread; nothing is signed
    while the first is true or the second gives a reason."""

    def __init__(self, log: str, seconds: float, clock: Clock) -> None:
        """`seconds`: how long to listen, from `begin` on; before it nothing is signed either. 0:
        nobody is listened to."""
        self._name = log
        self._seconds = seconds
        self._clock = clock
        self._until_ns: int | None = None
        self._is_over = seconds == 0
        self._problem: str | None = None

    def begin(self) -> None:
        """The gateway listens now."""
        if self._until_ns is None:
            self._until_ns = self._clock.boottime_ns() + int(self._seconds * _NANOSECONDS)

    def is_waiting(self) -> bool:
        """Whether it is too early to sign."""
        if self._is_over:
            return False
        if self._until_ns is None or self._clock.boottime_ns() < self._until_ns:
            return True
        self._is_over = True
        return False

    def problem(self) -> str | None:
        """What a collector proved. Begins with `fork_seen: ` or `witnessed_ahead: `."""
        return self._problem

    async def hear(
        self,
        reporter: str,
        value: str,
        engine: Engine,
        verifiers: Callable[[], Sequence[Verifier]],
    ) -> None:
        """Take what `reporter` (SPIFFE id) shows: base64 of the signed note that it kept. What
        proves nothing is let pass; raises LogUnavailableError when the log cannot be read."""
        if not self.is_waiting() or len(value) > MAX_HEADER_CHARACTERS:
            return
        try:
            note = base64.b64decode(value, validate=True).decode()
            kept = open_checkpoint_by_any(note, verifiers())
        except (binascii.Error, ValueError, VerificationError):
            return
        self._problem = self._problem or await asyncio.to_thread(
            self._judge, engine, reporter, kept
        )
        if self._problem is not None:
            _log.error("nothing is signed", reason=self._problem)
        self._is_over = True

    def _judge(self, engine: Engine, reporter: str, kept: Checkpoint) -> str | None:
        try:
            with read_transaction(engine) as connection:
                head = log_store.read_head(connection, self._name)
                size = 0 if head is None else head[0] + 1
                if kept.size > size:
                    return (
                        f"{WITNESSED_AHEAD}: {reporter} holds a signed checkpoint of {kept.size} "
                        f"entries, here are {size}: the database is an older copy; see `gateway "
                        "restore`"
                    )
                if root_reader(connection, self._name)(kept.size) != kept.root:
                    return (
                        f"{FORK_SEEN}: {reporter} holds a checkpoint of {kept.size} entries under "
                        "this log's key with another root; run `gateway audit verify` with it"
                    )
        except StorageError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None
        return None
