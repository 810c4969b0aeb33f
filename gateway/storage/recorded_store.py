"""Recorded verdicts in the database: evaluations entries, and weights."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import func, literal, select

from gateway.audit.removing import read_losses
from gateway.recorded.entries import EVALUATIONS, StoredEntry, is_evaluations
from gateway.recorded.port import Absences, Weight
from gateway.storage.engine import Connection, Engine, read_transaction
from gateway.storage.log_store import count_entries, read_counts
from gateway.storage.tables import entries

_STEP_ENTRIES = 10_000  # no transaction is long
_IN_LIST = 500
# Canonical JSON escapes quotes inside text, so only a member that is named `type` looks like this.
_MARK = f'"type":"{EVALUATIONS}"'.encode()


class SqlRecordedEntries:
    """The RecordedEntries port over one log of a database."""

    def __init__(self, engine: Engine, log: str) -> None:
        self._engine = engine
        self._log = log

    def size(self) -> int:
        with read_transaction(self._engine) as connection:
            return count_entries(connection, self._log)

    def scan(self, first: int, stop: int) -> Iterator[StoredEntry]:
        dialect = self._engine.dialect.name
        mark = literal(_MARK)
        place = (
            func.instr(entries.c.bytes, mark)
            if dialect == "sqlite"
            else func.position(mark.op("IN")(entries.c.bytes))
        )
        for start in range(first, stop, _STEP_ENTRIES):
            end = min(stop, start + _STEP_ENTRIES)
            query = (
                select(entries.c.seq, entries.c.bytes)
                .where(entries.c.log == self._log, entries.c.seq >= start, entries.c.seq < end)
                .where(place > 0)
                .order_by(entries.c.seq)
            )
            with read_transaction(self._engine) as connection:
                rows = connection.execute(query).all()
            yield from _evaluations((row.seq, row.bytes) for row in rows)

    def at(self, seqs: Sequence[int]) -> Iterator[StoredEntry]:
        ordered = sorted(set(seqs))
        for start in range(0, len(ordered), _IN_LIST):
            query = (
                select(entries.c.seq, entries.c.bytes)
                .where(entries.c.log == self._log)
                .where(entries.c.seq.in_(ordered[start : start + _IN_LIST]))
                .order_by(entries.c.seq)
            )
            with read_transaction(self._engine) as connection:
                rows = connection.execute(query).all()
            yield from _evaluations((row.seq, row.bytes) for row in rows)

    def absent(self, first: int, stop: int) -> Absences:
        with read_transaction(self._engine) as connection:
            all_absent = self._count_absent(connection, first, stop)
            purged = sum(
                self._count_absent(connection, start, end)
                for start, end in read_losses(connection, self._log).ranges_in(first, stop)
            )
        return Absences(purged, all_absent - purged)

    def purged(self, seqs: Sequence[int]) -> Collection[int]:
        if not seqs:
            return frozenset()
        with read_transaction(self._engine) as connection:
            losses = read_losses(connection, self._log)
        return frozenset(seq for seq in seqs if losses.is_purged(seq))

    def _count_absent(self, connection: Connection, first: int, stop: int) -> int:
        query = (
            select(func.count())
            .select_from(entries)
            .where(entries.c.log == self._log, entries.c.seq >= first, entries.c.seq < stop)
        )
        return max(0, stop - first - int(connection.execute(query).scalar() or 0))

    def weights(self, first_day: str, last_day: str) -> Sequence[Weight]:
        with read_transaction(self._engine) as connection:
            rows = read_counts(connection, self._log, first_day, last_day)
        return [Weight(*row) for row in rows]


def _evaluations(rows: Iterable[tuple[int, bytes]]) -> Iterator[StoredEntry]:
    for seq, data in rows:
        if is_evaluations(data):  # and not a body with a member of that name
            yield StoredEntry(seq, data)
