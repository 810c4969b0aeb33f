"""What a gateway tells collectors of the log that its own succeeds."""

import asyncio
import base64
from typing import Protocol

from gateway.errors import LogUnavailableError
from gateway.storage import log_store
from gateway.storage.engine import Engine, StorageError, read_transaction
from gateway.transparency.checkpoint import read_unverified_checkpoint
from gateway.transparency.succession import succession_note_of
from gateway.wire.succession import SuccessionAnswer


class ProvenLog(Protocol):
    """SqlLog is one."""

    @property
    def origin(self) -> str:
        """The log's name."""

    def checkpoint(self) -> str | None:
        """The newest signed checkpoint."""

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """RFC 6962 audit path."""


class ServedSuccession:
    """Entry 0 of the log that is served, where it names another log, with its proof."""

    def __init__(self, engine: Engine, log: ProvenLog) -> None:
        self._engine = engine
        self._log = log

    async def answer(self) -> SuccessionAnswer | None:
        """None for a log that succeeds none, and before the first checkpoint. Raises
        LogUnavailableError."""
        entry = await asyncio.to_thread(self._first_entry)
        note = self._log.checkpoint()
        if entry is None or note is None or succession_note_of(entry) is None:
            return None
        size = read_unverified_checkpoint(note).size
        proof = await self._log.inclusion(0, size)
        return SuccessionAnswer(
            base64.b64encode(entry).decode(), tuple(one.hex() for one in proof), note
        )

    def _first_entry(self) -> bytes | None:
        try:
            with read_transaction(self._engine) as connection:
                row = next(iter(log_store.read_entries(connection, self._log.origin, 0)), None)
        except StorageError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None
        return row.data if row is not None and row.seq == 0 else None
