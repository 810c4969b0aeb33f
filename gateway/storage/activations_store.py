"""Which bundle and floor are in force: one row per activation, the same for every worker."""

from sqlalchemy import ColumnElement, func, literal, select

from gateway.changes.activation import ACTIVATED, Activation
from gateway.clock import format_time, parse_time
from gateway.storage.engine import (
    Connection,
    Engine,
    StorageError,
    read_transaction,
    write_transaction,
)
from gateway.storage.log_store import EntryRow, read_head
from gateway.storage.tables import activations, bundles, entries
from gateway.transparency.entry import Entry, parse_entry
from gateway.transparency.errors import EntryError

_STEP_ENTRIES = 10_000
# Canonical JSON escapes quotes inside text, so only a member that is named `type` looks like this.
_MARK = f'"type":"{ACTIVATED}"'.encode()


class SqlActivations:
    """The activations of one log; raises StorageError."""

    def __init__(self, engine: Engine, log: str) -> None:
        self._engine = engine
        self._log = log

    def newest(self) -> Activation | None:
        """The activation in force, or None on a new log. Its time is only what the row says."""
        query = (
            select(activations)
            .where(activations.c.log == self._log)
            .order_by(activations.c.number.desc())
            .limit(1)
        )
        with read_transaction(self._engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        try:
            activated_us = parse_time(row.activated_at)
        except ValueError:
            activated_us = 0  # somebody's change: over its age, until the entry's time is taken
        return Activation(
            row.number, row.bundle, row.revision, row.version, row.floor, activated_us
        )

    def last_entry(self) -> Entry | None:
        """The log's last `bundle.activated` entry, or None; searches backwards in steps, so that
        no transaction is long. Raises StorageError also for bytes that are not an entry."""
        with read_transaction(self._engine) as connection:
            head = read_head(connection, self._log)
        stop = 0 if head is None else head[0] + 1
        while stop > 0:
            start = max(0, stop - _STEP_ENTRIES)
            with read_transaction(self._engine) as connection:
                rows = self._marked(connection, start, stop)
            for row in rows:
                entry = _parse(row)
                if entry.type == ACTIVATED:  # and not a body with a member of that name
                    return entry
            stop = start
        return None

    def _marked(self, connection: Connection, start: int, stop: int) -> list[EntryRow]:
        query = (
            select(entries.c.seq, entries.c.bytes, entries.c.leaf_hash)
            .where(entries.c.log == self._log, entries.c.seq >= start, entries.c.seq < stop)
            .where(_place_of_mark(connection) > 0)
            .order_by(entries.c.seq.desc())
        )
        return [EntryRow(*row) for row in connection.execute(query)]

    def add(self, activation: Activation, archive: bytes, floor_note: bytes) -> None:
        """Put an activation in force and keep its bundle and floor for replay (P9)."""
        with write_transaction(self._engine) as connection:
            for key, content in ((activation.bundle, archive), (activation.floor, floor_note)):
                known = connection.execute(select(bundles.c.hash).where(bundles.c.hash == key))
                if known.first() is None:
                    connection.execute(bundles.insert().values(hash=key, archive=content))
            connection.execute(
                activations.insert().values(
                    log=self._log,
                    number=activation.number,
                    bundle=activation.bundle,
                    revision=activation.revision,
                    version=activation.version,
                    floor=activation.floor,
                    activated_at=format_time(activation.activated_us),
                )
            )

    def stored(self, key: str) -> bytes | None:
        """A bundle's archive, or a floor's signed note, by its hash."""
        query = select(bundles.c.archive).where(bundles.c.hash == key)
        with read_transaction(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else bytes(row.archive)


def _place_of_mark(connection: Connection) -> ColumnElement[int]:
    mark = literal(_MARK)
    if connection.dialect.name == "sqlite":
        return func.instr(entries.c.bytes, mark)
    return func.position(mark.op("IN")(entries.c.bytes))


def _parse(row: EntryRow) -> Entry:
    try:
        entry = parse_entry(row.data)
    except EntryError as error:
        raise StorageError(
            f"entry {row.seq} of the log: {error}; `gateway audit` tells more"
        ) from None
    if entry.seq != row.seq:
        raise StorageError(f"entry {row.seq} of the log says it is {entry.seq}")
    return entry
