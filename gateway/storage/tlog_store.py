"""What a tree of tiles asks of the log's rows, over a transaction that the caller holds."""

from sqlalchemy import select

from gateway.storage.engine import Connection
from gateway.storage.tables import entries


def read_entry_bytes(connection: Connection, log: str, start: int, stop: int) -> list[bytes]:
    """The exact bytes of entries start..stop-1 that are there, in order."""
    query = (
        select(entries.c.bytes)
        .where(entries.c.log == log, entries.c.seq >= start, entries.c.seq < stop)
        .order_by(entries.c.seq)
    )
    return [row[0] for row in connection.execute(query)]
