"""The journal's rows, over a transaction that the caller holds: one for each journal entry, written
in the entry's own transaction. They say where to look; what they say is checked by the caller."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import func, select

from gateway.audit.journal import JournalHeads
from gateway.storage.engine import Connection
from gateway.storage.rows import insert_rows
from gateway.storage.tables import entries, journal
from gateway.transparency.journal_types import SERVING_TYPES

_READ_BATCH = 500


class JournalRow(NamedTuple):
    """That entry `seq` is a journal entry of this type."""

    seq: int
    type: str


class MarkedRow(NamedTuple):
    """The same with its mark; None in a row from before there were marks."""

    seq: int
    type: str
    mark: bytes | None


class JournalEntryRow(NamedTuple):
    """A journal row with what is stored of its entry, None where it has none."""

    seq: int
    type: str
    mark: bytes | None
    data: bytes | None
    leaf_hash: bytes | None


def insert_journal(connection: Connection, log: str, rows: Sequence[MarkedRow]) -> None:
    """Insert all rows or raise."""
    insert_rows(connection, journal, [(log, *row) for row in rows])


def read_journal(connection: Connection, log: str, start: int) -> Iterator[JournalEntryRow]:
    """The rows from `start` on with their entries, in order, streamed."""
    is_its_entry = (entries.c.log == journal.c.log) & (entries.c.seq == journal.c.seq)
    query = (
        select(journal.c.seq, journal.c.type, journal.c.mark, entries.c.bytes, entries.c.leaf_hash)
        .select_from(journal.outerjoin(entries, is_its_entry))
        .where(journal.c.log == log, journal.c.seq >= start)
        .order_by(journal.c.seq)
        .execution_options(yield_per=_READ_BATCH)
    )
    with connection.execute(query) as found:
        for row in found:
            yield JournalEntryRow(*row)


def read_typed(connection: Connection, log: str, type: str) -> list[JournalEntryRow]:
    """The rows of one type with their entries, in order."""
    is_its_entry = (entries.c.log == journal.c.log) & (entries.c.seq == journal.c.seq)
    query = (
        select(journal.c.seq, journal.c.type, journal.c.mark, entries.c.bytes, entries.c.leaf_hash)
        .select_from(journal.outerjoin(entries, is_its_entry))
        .where(journal.c.log == log, journal.c.type == type)
        .order_by(journal.c.seq)
    )
    return [JournalEntryRow(*row) for row in connection.execute(query)]


def read_rows(connection: Connection, log: str, stop: int) -> list[JournalRow]:
    """The rows below `stop`, in order, without their entries."""
    query = (
        select(journal.c.seq, journal.c.type)
        .where(journal.c.log == log, journal.c.seq < stop)
        .order_by(journal.c.seq)
    )
    return [JournalRow(*row) for row in connection.execute(query)]


def read_row(connection: Connection, log: str, seq: int) -> MarkedRow | None:
    """One row, or None."""
    query = select(journal.c.seq, journal.c.type, journal.c.mark).where(
        journal.c.log == log, journal.c.seq == seq
    )
    found = connection.execute(query).first()
    return None if found is None else MarkedRow(*found)


def read_newest_before(connection: Connection, log: str, stop: int) -> int:
    """The seq of the last row below `stop`, -1 without one."""
    query = select(func.max(journal.c.seq)).where(journal.c.log == log, journal.c.seq < stop)
    found: int | None = connection.execute(query).scalar()
    return -1 if found is None else found


def read_heads(connection: Connection, log: str) -> JournalHeads:
    """The newest row and the newest serving one: two steps down the primary key's index."""
    newest = select(journal.c.seq).where(journal.c.log == log).order_by(journal.c.seq.desc())
    serving = newest.where(journal.c.type.in_(sorted(SERVING_TYPES)))
    row = connection.execute(
        select(newest.limit(1).scalar_subquery(), serving.limit(1).scalar_subquery())
    ).one()
    return JournalHeads(*(-1 if seq is None else seq for seq in row))
