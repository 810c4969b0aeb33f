"""What witnesses need of the log in a database, and what the database keeps of them. Every read is
of what is durable now, whichever gateway process wrote it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from gateway.audit.proofs import ProofReader
from gateway.errors import LogUnavailableError
from gateway.storage import cosigned_store, log_store
from gateway.storage.cosigned_store import TimestampRow
from gateway.storage.engine import (
    Connection,
    Engine,
    StorageError,
    read_transaction,
    write_transaction,
)
from gateway.transparency.cosignature import add_signatures
from gateway.transparency.notes import SignatureLine

T = TypeVar("T")


class WitnessedLog:
    """One log. Every method raises LogUnavailableError when the database cannot be asked."""

    def __init__(self, engine: Engine, origin: str) -> None:
        self._engine = engine
        self._origin = origin

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    async def newest(self) -> str | None:
        """The newest signed checkpoint."""
        row = await self._read(
            lambda connection: log_store.read_last_checkpoint(connection, self._origin)
        )
        return None if row is None else row.note

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """RFC 6962 section 2.1.2, empty for an old size of 0; raises InputError past the newest
        checkpoint."""
        return await self._read(
            lambda connection: ProofReader(connection, self._origin).consistency(old, new)
        )

    async def size_and_roots(self, sizes: Iterable[int]) -> tuple[int, dict[int, bytes]]:
        """The newest checkpoint's size, and the tree heads at those of `sizes` that it covers."""

        def read(connection: Connection) -> tuple[int, dict[int, bytes]]:
            proofs = ProofReader(connection, self._origin)
            return proofs.size, {at: proofs.root(at) for at in sizes if at <= proofs.size}

        return await self._read(read)

    async def newest_cosigned(self) -> str | None:
        """The cosigned checkpoint of the largest size."""
        return await self._read(
            lambda connection: cosigned_store.read_newest_cosigned(connection, self._origin)
        )

    async def add_cosignatures(self, size: int, note: str, lines: Iterable[SignatureLine]) -> str:
        """Store verified cosignatures of the checkpoint `note` beside those of its size that stand;
        the merged note."""

        def write(connection: Connection) -> str:
            standing = cosigned_store.read_cosigned(connection, self._origin, size)
            merged = add_signatures(standing or note, lines)
            cosigned_store.put_cosigned(connection, self._origin, size, merged)
            return merged

        return await self._write(write)

    async def drop_cosigned(self, sizes: Sequence[int]) -> None:
        """Remove cosigned checkpoints that a larger one stands for."""
        await self._write(
            lambda connection: cosigned_store.drop_cosigned(connection, self._origin, sizes)
        )

    async def newest_timestamp(self, authority: str) -> TimestampRow | None:
        """The authority's timestamp of the largest size."""
        return await self._read(
            lambda connection: cosigned_store.read_newest_timestamp(
                connection, self._origin, authority
            )
        )

    async def add_timestamp(self, row: TimestampRow) -> None:
        """Store a verified timestamp."""
        await self._write(
            lambda connection: cosigned_store.put_timestamp(connection, self._origin, row)
        )

    async def _read(self, ask: Callable[[Connection], T]) -> T:
        def read() -> T:
            with read_transaction(self._engine) as connection:
                return ask(connection)

        return await _in_thread(read)

    async def _write(self, ask: Callable[[Connection], T]) -> T:
        def write() -> T:
            with write_transaction(self._engine) as connection:
                return ask(connection)

        return await _in_thread(write)


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except StorageError as error:
        raise LogUnavailableError(f"the log cannot be asked: {error}") from None
