"""What others said of the log's checkpoints, over a transaction that the caller holds. Signatures
and tokens are checked by the caller, before storing and after reading."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select, text

from gateway.storage.engine import Connection
from gateway.storage.tables import cosigned, timestamps

_READ_BATCH = 500


@dataclass(frozen=True, slots=True)
class TimestampRow:
    """An RFC 3161 token (DER) of `authority` over SHA-256 of `note_text`."""

    size: int
    authority: str
    note_text: str
    token: bytes


def read_newest_cosigned(connection: Connection, log: str) -> str | None:
    """The cosigned note of the largest size, or None."""
    query = (
        select(cosigned.c.note)
        .where(cosigned.c.log == log)
        .order_by(cosigned.c.size.desc())
        .limit(1)
    )
    note: str | None = connection.execute(query).scalar()
    return note


def read_cosigned(connection: Connection, log: str, size: int) -> str | None:
    """The cosigned note of exactly `size`, or None."""
    query = select(cosigned.c.note).where(cosigned.c.log == log, cosigned.c.size == size)
    note: str | None = connection.execute(query).scalar()
    return note


def read_all_cosigned(connection: Connection, log: str) -> Iterator[tuple[int, str]]:
    """Size and note of every cosigned checkpoint, largest first, streamed."""
    query = (
        select(cosigned.c.size, cosigned.c.note)
        .where(cosigned.c.log == log)
        .order_by(cosigned.c.size.desc())
        .execution_options(yield_per=_READ_BATCH)
    )
    for row in connection.execute(query):
        yield (row[0], row[1])


def put_cosigned(connection: Connection, log: str, size: int, note: str) -> None:
    """Store a cosigned note; what stands at its size is replaced."""
    connection.execute(_PUT_COSIGNED, {"log": log, "size": size, "note": note})


def drop_cosigned(connection: Connection, log: str, sizes: Sequence[int]) -> None:
    """Remove the cosigned notes of these sizes."""
    connection.execute(
        cosigned.delete().where(cosigned.c.log == log, cosigned.c.size.in_(list(sizes)))
    )


def read_timestamps(connection: Connection, log: str) -> Iterator[TimestampRow]:
    """Every timestamp, smallest size first, streamed."""
    columns = timestamps.c
    query = (
        select(columns.size, columns.authority, columns.note_text, columns.token)
        .where(columns.log == log)
        .order_by(columns.size, columns.authority)
        .execution_options(yield_per=_READ_BATCH)
    )
    for row in connection.execute(query):
        yield TimestampRow(row[0], row[1], row[2], bytes(row[3]))


def read_newest_timestamp(connection: Connection, log: str, authority: str) -> TimestampRow | None:
    """The authority's timestamp of the largest size, or None."""
    columns = timestamps.c
    query = (
        select(columns.size, columns.authority, columns.note_text, columns.token)
        .where(columns.log == log, columns.authority == authority)
        .order_by(columns.size.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else TimestampRow(row[0], row[1], row[2], bytes(row[3]))


def put_timestamp(connection: Connection, log: str, row: TimestampRow) -> None:
    """Store a token; the first one of a size and authority stays, being the earlier."""
    values = {
        "log": log,
        "size": row.size,
        "authority": row.authority,
        "note_text": row.note_text,
        "token": row.token,
    }
    connection.execute(_PUT_TIMESTAMP, values)


# ON CONFLICT is the same in SQLite (3.24) and PostgreSQL.
_PUT_COSIGNED = text(
    "INSERT INTO cosigned (log, size, note) VALUES (:log, :size, :note) "
    "ON CONFLICT (log, size) DO UPDATE SET note = excluded.note"
)
_PUT_TIMESTAMP = text(
    "INSERT INTO timestamps (log, size, authority, note_text, token) "
    "VALUES (:log, :size, :authority, :note_text, :token) "
    "ON CONFLICT (log, size, authority) DO NOTHING"
)
