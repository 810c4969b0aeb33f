"""The newest ledger report of each collector and boot epoch, in the database."""

import asyncio

import msgspec
from sqlalchemy import select, text

from gateway.decisions.ledger import LedgerHead
from gateway.errors import LogUnavailableError
from gateway.storage.engine import Engine, StorageError, read_transaction, write_transaction
from gateway.storage.tables import ledger_heads
from gateway.wire.ledger import Counters

# ON CONFLICT is the same in SQLite (3.24) and PostgreSQL.
_PUT = text(
    "INSERT INTO ledger_heads (collector, boot_epoch, report, counters) "
    "VALUES (:collector, :boot_epoch, :report, :counters) ON CONFLICT (collector, boot_epoch) "
    "DO UPDATE SET report = excluded.report, counters = excluded.counters"
)


class SqlLedgerHeads:
    """Implements `gateway.decisions.ledger.LedgerHeads`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, collector: str, boot_epoch: str) -> LedgerHead | None:
        """The newest report; raises LogUnavailableError."""
        return await asyncio.to_thread(self._get, collector, boot_epoch)

    async def put(self, collector: str, boot_epoch: str, head: LedgerHead) -> None:
        """Replace the newest report; raises LogUnavailableError."""
        await asyncio.to_thread(self._put, collector, boot_epoch, head)

    def _get(self, collector: str, boot_epoch: str) -> LedgerHead | None:
        query = select(ledger_heads.c.report, ledger_heads.c.counters).where(
            ledger_heads.c.collector == collector, ledger_heads.c.boot_epoch == boot_epoch
        )
        try:
            with read_transaction(self._engine) as connection:
                row = connection.execute(query).first()
        except StorageError as error:
            raise LogUnavailableError(f"the ledger's heads cannot be read: {error}") from None
        if row is None:
            return None
        return LedgerHead(row.report, msgspec.json.decode(row.counters, type=Counters))

    def _put(self, collector: str, boot_epoch: str, head: LedgerHead) -> None:
        row = {
            "collector": collector,
            "boot_epoch": boot_epoch,
            "report": head.report,
            "counters": msgspec.json.encode(head.counters).decode(),
        }
        try:
            with write_transaction(self._engine, lock=None) as connection:
                connection.execute(_PUT, row)
        except StorageError as error:
            raise LogUnavailableError(f"the ledger's heads cannot be written: {error}") from None
