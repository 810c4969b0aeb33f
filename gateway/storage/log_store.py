"""The log's rows, over a transaction that the caller holds. Hashes are checked by the caller; only
what SQL needs to know stands here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select, text

from gateway.storage.engine import Connection
from gateway.storage.rows import insert_rows
from gateway.storage.tables import checkpoints, count_marks, daily_counts, entries, tiles

_READ_BATCH = 2_000


class EntryRow(NamedTuple):
    """A stored entry: exact bytes and the leaf hash (32 bytes) that stands beside them."""

    seq: int
    data: bytes
    leaf_hash: bytes


class TileRow(NamedTuple):
    """A tile: `hashes` joins up to 256 hashes of 32 bytes of tree level 8 * `level`."""

    level: int
    idx: int
    hashes: bytes


class CountRow(NamedTuple):
    """How often a verdict (`position` in evaluations entry `seq`) was given on a day (UTC)."""

    day: str
    seq: int
    position: int
    times: int


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A stored checkpoint with the tree's right edge at its size."""

    size: int
    root: bytes
    note: str
    edge: bytes


def read_head(connection: Connection, log: str) -> tuple[int, bytes] | None:
    """Sequence number and leaf hash of the last entry, or None for an empty log."""
    row = connection.execute(_HEAD, {"log": log}).first()
    return None if row is None else (row[0], row[1])


def read_entries(connection: Connection, log: str, start: int) -> Iterator[EntryRow]:
    """The entries from `start` on, in order, streamed."""
    query = (
        select(entries.c.seq, entries.c.bytes, entries.c.leaf_hash)
        .where(entries.c.log == log, entries.c.seq >= start)
        .order_by(entries.c.seq)
        .execution_options(yield_per=_READ_BATCH)
    )
    with connection.execute(query) as found:  # whoever stops reading closes the server's cursor
        for row in found:
            yield EntryRow(*row)


def count_entries(connection: Connection, log: str) -> int:
    """About how many entries there are (exact for an unbroken log)."""
    head = read_head(connection, log)
    return 0 if head is None else head[0] + 1


def insert_entries(connection: Connection, log: str, rows: Sequence[EntryRow]) -> None:
    """Insert all rows or raise; UNIQUE(log, seq) refuses a place that is taken."""
    insert_rows(connection, entries, [(log, *row) for row in rows])


def read_last_checkpoint(connection: Connection, log: str) -> CheckpointRow | None:
    """The checkpoint of the largest size, or None before the first."""
    query = (
        select(checkpoints.c.size, checkpoints.c.root, checkpoints.c.note, checkpoints.c.edge)
        .where(checkpoints.c.log == log)
        .order_by(checkpoints.c.size.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else CheckpointRow(*row)


def read_checkpoints(connection: Connection, log: str) -> Iterator[tuple[int, bytes, str]]:
    """Size, root and note of every checkpoint, smallest first, streamed."""
    query = (
        select(checkpoints.c.size, checkpoints.c.root, checkpoints.c.note)
        .where(checkpoints.c.log == log)
        .order_by(checkpoints.c.size)
        .execution_options(yield_per=_READ_BATCH)
    )
    with connection.execute(query) as found:
        for row in found:
            yield (row[0], row[1], row[2])


def read_note(connection: Connection, log: str, size: int) -> str | None:
    """The note of the checkpoint of exactly that size, or None."""
    query = select(checkpoints.c.note).where(checkpoints.c.log == log, checkpoints.c.size == size)
    found: str | None = connection.execute(query).scalar()
    return found


def insert_checkpoint(connection: Connection, log: str, row: CheckpointRow) -> None:
    """Store one checkpoint; its size must be new."""
    connection.execute(
        checkpoints.insert(),
        {"log": log, "size": row.size, "root": row.root, "note": row.note, "edge": row.edge},
    )


def upsert_tiles(connection: Connection, log: str, rows: Sequence[TileRow]) -> None:
    """Store tiles; one that is there already is replaced (it grew, or is the same)."""
    if rows:
        connection.execute(_UPSERT_TILE, [{"log": log, **row._asdict()} for row in rows])


def read_tile(connection: Connection, log: str, level: int, idx: int) -> bytes | None:
    """A tile's joined hashes, or None."""
    query = select(tiles.c.hashes).where(
        tiles.c.log == log, tiles.c.level == level, tiles.c.idx == idx
    )
    found: bytes | None = connection.execute(query).scalar()
    return found


def read_leaf_hashes(connection: Connection, log: str, start: int, stop: int) -> list[bytes]:
    """The stored leaf hashes of entries start..stop-1."""
    query = (
        select(entries.c.leaf_hash)
        .where(entries.c.log == log, entries.c.seq >= start, entries.c.seq < stop)
        .order_by(entries.c.seq)
    )
    return [row[0] for row in connection.execute(query)]


def read_count_mark(connection: Connection, log: str) -> int:
    """Entries below this one are in the daily counts."""
    query = select(count_marks.c.next_seq).where(count_marks.c.log == log)
    return connection.execute(query).scalar() or 0


def add_counts(connection: Connection, log: str, rows: Sequence[CountRow], next_seq: int) -> None:
    """Add to the daily counts and move their mark, in the caller's transaction."""
    if rows:
        connection.execute(_ADD_COUNT, [{"log": log, **row._asdict()} for row in rows])
    connection.execute(_SET_MARK, {"log": log, "next_seq": next_seq})


def read_counts(connection: Connection, log: str, first_day: str, last_day: str) -> list[CountRow]:
    """The counts of the days from first to last (inclusive, `YYYY-MM-DD`)."""
    columns = daily_counts.c
    query = (
        select(columns.day, columns.seq, columns.position, columns["count"])
        .where(columns.log == log, columns.day >= first_day, columns.day <= last_day)
        .order_by(columns.day, columns.seq, columns.position)
    )
    return [CountRow(*row) for row in connection.execute(query)]


_HEAD = text("SELECT seq, leaf_hash FROM entries WHERE log = :log ORDER BY seq DESC LIMIT 1")
# ON CONFLICT is the same in SQLite (3.24) and PostgreSQL.
_UPSERT_TILE = text(
    "INSERT INTO tiles (log, level, idx, hashes) VALUES (:log, :level, :idx, :hashes) "
    "ON CONFLICT (log, level, idx) DO UPDATE SET hashes = excluded.hashes"
)
_ADD_COUNT = text(
    "INSERT INTO daily_counts (log, day, seq, position, count) "
    "VALUES (:log, :day, :seq, :position, :times) ON CONFLICT (log, day, seq, position) "
    "DO UPDATE SET count = daily_counts.count + excluded.count"
)
_SET_MARK = text(
    "INSERT INTO count_marks (log, next_seq) VALUES (:log, :next_seq) "
    "ON CONFLICT (log) DO UPDATE SET next_seq = excluded.next_seq"
)
