"""The log's tree of tiles (docs/formats.md section 13), out of the database."""

import asyncio

from gateway.audit.errors import LogBrokenError
from gateway.errors import LogUnavailableError
from gateway.storage import log_store, tlog_store
from gateway.storage.engine import Connection, Engine, StorageError, read_transaction
from gateway.transparency.entry import HASH_BYTES
from gateway.transparency.tiles import TILE_WIDTH, TilePlace, encode_bundle

_MAX_READERS = 4  # a bundle may have 16 MB, and decisions come first


class PublishedTiles:
    """One log's checkpoint and tiles, as far as the newest durable checkpoint signs them."""

    def __init__(self, engine: Engine, log: str) -> None:
        self._engine = engine
        self._log = log
        self._readers = asyncio.Semaphore(_MAX_READERS)

    async def checkpoint(self) -> str | None:
        """The newest signed note, of whichever process signed it; None before the first. Raises
        LogUnavailableError."""
        return await asyncio.to_thread(self._read_checkpoint)

    async def read(self, place: TilePlace) -> bytes | None:
        """The tile or bundle; None when the newest checkpoint does not reach so far, or entries of
        the bundle are purged. Raises LogUnavailableError, LogBrokenError."""
        async with self._readers:
            return await asyncio.to_thread(self._read, place)

    def _read_checkpoint(self) -> str | None:
        try:
            with read_transaction(self._engine) as connection:
                row = log_store.read_last_checkpoint(connection, self._log)
        except StorageError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None
        return None if row is None else row.note

    def _read(self, place: TilePlace) -> bytes | None:
        try:
            with read_transaction(self._engine) as connection:
                row = log_store.read_last_checkpoint(connection, self._log)
                if row is None or place.needed_size() > row.size:
                    return None
                read = self._read_bundle if place.is_bundle else self._read_tile
                return read(connection, place)
        except StorageError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None

    def _read_bundle(self, connection: Connection, place: TilePlace) -> bytes | None:
        start = place.index * TILE_WIDTH
        found = tlog_store.read_entry_bytes(connection, self._log, start, start + place.width)
        return encode_bundle(found) if len(found) == place.width else None

    def _read_tile(self, connection: Connection, place: TilePlace) -> bytes:
        joined = log_store.read_tile(connection, self._log, place.level, place.index)
        if joined is None and place.level == 0:  # the last one: still in the entries
            start = place.index * TILE_WIDTH
            stop = start + place.width
            joined = b"".join(log_store.read_leaf_hashes(connection, self._log, start, stop))
        cut = (joined or b"")[: place.width * HASH_BYTES]
        if len(cut) != place.width * HASH_BYTES:
            raise LogBrokenError(
                f"tile {place.index} of level {place.level} of log {self._log} is cut short; "
                "run `gateway audit verify`"
            )
        return cut
