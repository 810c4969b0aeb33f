"""Which logs of a database opened after others ended."""

from collections.abc import Iterator

from sqlalchemy import select

from gateway.storage.engine import Connection
from gateway.storage.tables import entries


def read_first_entries(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """(log, bytes) of each log's entry 0."""
    query = select(entries.c.log, entries.c.bytes).where(entries.c.seq == 0)
    for log, data in connection.execute(query.order_by(entries.c.log)):
        if isinstance(data, bytes):
            yield log, data
