"""Rows that leave the database, over a transaction that the caller holds. What may leave is the
caller's to know."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    case,
    delete,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)

from gateway.audit.port import Removal
from gateway.audit.removals import REMOVING_TYPES
from gateway.storage.engine import Connection
from gateway.storage.payload_store import month_key_of
from gateway.storage.tables import entries, journal, month_keys, payload_keys, payloads

# These stay whatever their age: without them nobody could tell a purge from a loss.
SEALED_TYPE = "payloads.sealed"
KEPT_TYPES = ("key.created", "log.opened", "log.restored", SEALED_TYPE)
_IN_LIST = 500
_TILE_WIDTH = 256


class RemovingRow(NamedTuple):
    """A journal entry that says something has left, by its bytes; None where it is missing."""

    seq: int
    type: str
    data: bytes | None


def remove(connection: Connection, log: str, removal: Removal) -> None:
    """Delete all of it; what is gone already is no error."""
    ids = list(removal.class_ids)
    for at in range(0, len(ids), _IN_LIST):
        _delete_payloads(connection, log, payloads.c.class_id.in_(ids[at : at + _IN_LIST]))
    if removal.month_keys:
        _delete_payloads(connection, log, month_key_of(log).in_(removal.month_keys))
        connection.execute(delete(month_keys).where(month_keys.c.id.in_(removal.month_keys)))
    if removal.first >= 0:
        _delete_entries(connection, log, removal.first, removal.last)


def read_removing(connection: Connection, log: str) -> Iterator[RemovingRow]:
    """The journal entries that say something has left, in order."""
    is_its_entry = (entries.c.log == journal.c.log) & (entries.c.seq == journal.c.seq)
    query = (
        select(journal.c.seq, journal.c.type, entries.c.bytes)
        .select_from(journal.outerjoin(entries, is_its_entry))
        .where(journal.c.log == log, journal.c.type.in_(sorted(REMOVING_TYPES)))
        .order_by(journal.c.seq)
    )
    for row in connection.execute(query):
        yield RemovingRow(*row)


def read_leaves(
    connection: Connection, log: str, first: int, last: int
) -> Iterator[tuple[int, bytes]]:
    """Sequence number and stored leaf hash of the entries that are there, in order, streamed."""
    query = (
        select(entries.c.seq, entries.c.leaf_hash)
        .where(entries.c.log == log, entries.c.seq >= first, entries.c.seq <= last)
        .order_by(entries.c.seq)
        .execution_options(yield_per=2_000)
    )
    for row in connection.execute(query):
        yield (row[0], row[1])


def count_kept(connection: Connection, log: str, first: int, last: int) -> int:
    """How many entries of `KEPT_TYPES` a removal of first..last leaves in tiles out of which it
    takes something; both ends are those of tiles."""
    is_kept = or_(*(_has_type(name) for name in KEPT_TYPES))
    within = entries.c.seq.between(first, last)
    # Not a parameter: PostgreSQL would not see that both expressions are the same.
    tile = entries.c.seq // literal_column(str(_TILE_WIDTH), Integer)
    query = (
        select(tile, func.count(), func.sum(case((is_kept, 1), else_=0)))
        .where(entries.c.log == log, within)
        .group_by(tile)
    )
    rows = select(journal.c.seq).where(journal.c.log == log, journal.c.seq.between(first, last))
    of_journal = Counter(seq // _TILE_WIDTH for (seq,) in connection.execute(rows))
    return sum(
        int(kept) for at, count, kept in connection.execute(query) if count > kept + of_journal[at]
    )


def read_commitments(connection: Connection, log: str, first: int, last: int) -> Iterator[bytes]:
    """The `payloads.sealed` entries among first..last, by their bytes, in order."""
    query = (
        select(entries.c.bytes)
        .where(entries.c.log == log, entries.c.seq.between(first, last), _has_type(SEALED_TYPE))
        .order_by(entries.c.seq)
    )
    for row in connection.execute(query):
        yield row[0]


def read_month_keys(connection: Connection, log: str) -> list[str]:
    """The ids of the month keys of this log. What a key is for is said by its id, which entries
    name; the columns beside it are for people."""
    # Not LIKE: an origin may hold its wildcards.
    ids = connection.execute(select(month_keys.c.id)).scalars()
    return [key_id for key_id in ids if key_id.startswith(log + "/")]


def count_payloads(connection: Connection, log: str, keys: Collection[str]) -> dict[str, int]:
    """How many payloads lie under each of these month keys; one read of the table."""
    key = month_key_of(log)
    wanted = {one.rpartition("/")[2] for one in keys}
    query = (
        select(key, func.count())
        .where(payloads.c.log == log, payloads.c.month.in_(sorted(wanted)))
        .group_by(key)
    )
    return {row[0]: row[1] for row in connection.execute(query) if row[0] in keys}


def read_openable(connection: Connection, log: str) -> Iterator[tuple[str, str]]:
    """Class id and month key's id of each payload with both its keys, streamed."""
    query = (
        select(payloads.c.class_id, payload_keys.c.month_key)
        .join(payload_keys, payload_keys.c.class_id == payloads.c.class_id)
        .join(month_keys, month_keys.c.id == payload_keys.c.month_key)
        .where(payloads.c.log == log)
        .execution_options(yield_per=2_000)
    )
    for row in connection.execute(query):
        yield (row[0], row[1])


def read_months_of(
    connection: Connection, log: str, class_ids: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """Class id, region, retention class and month of those that have a payload row."""
    columns = payloads.c
    for at in range(0, len(class_ids), _IN_LIST):
        query = select(
            columns.class_id, columns.region, columns.retention_class, columns.month
        ).where(columns.log == log, columns.class_id.in_(list(class_ids[at : at + _IN_LIST])))
        for row in connection.execute(query):
            yield (row[0], row[1], row[2], row[3])


def _delete_payloads(connection: Connection, log: str, chosen: ColumnElement[bool]) -> None:
    own = and_(payloads.c.log == log, chosen)
    ids = select(payloads.c.class_id).where(own)
    connection.execute(delete(payload_keys).where(payload_keys.c.class_id.in_(ids)))
    connection.execute(delete(payloads).where(own))


def _delete_entries(connection: Connection, log: str, first: int, last: int) -> None:
    kept = select(journal.c.seq).where(journal.c.log == log, journal.c.seq.between(first, last))
    connection.execute(
        delete(entries).where(
            entries.c.log == log,
            entries.c.seq.between(first, last),
            entries.c.seq.not_in(kept),
            not_(or_(*(_has_type(name) for name in KEPT_TYPES))),
        )
    )


def _has_type(name: str) -> ColumnElement[bool]:
    """By the last bytes: in RFC 8785's order nothing but `v` comes after the type, and within text
    the quotes would be escaped."""
    end = f'"type":"{name}","v":1}}'.encode()
    start = func.length(entries.c.bytes) - len(end) + 1
    return func.substr(entries.c.bytes, start) == literal(end)
