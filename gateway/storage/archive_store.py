"""What an archive takes out of the database: signed heads and the entries under them."""

from collections.abc import Sequence

from sqlalchemy import Select, select

from gateway.archive.port import SealedHead
from gateway.storage import cosigned_store
from gateway.storage.engine import Connection, Engine, StorageError, read_transaction
from gateway.storage.tables import checkpoints, cosigned, entries, journal
from gateway.transparency.entry import Entry, parse_entry
from gateway.transparency.errors import EntryError, NoteError
from gateway.transparency.notes import Verifier

_HANDED_OVER = "key.handed-over"
_PURGED = "entries.purged"


class SqlSealedLog:
    """The `SealedLog` port over one log of a database, which may go on growing."""

    def __init__(self, engine: Engine, origin: str) -> None:
        self._engine = engine
        self._origin = origin

    @property
    def origin(self) -> str:
        """As SealedLog."""
        return self._origin

    def keys(self) -> Sequence[Verifier]:
        """As SealedLog."""
        with read_transaction(self._engine) as connection:
            opened = self._entry(connection, 0)
            handed = [
                self._entry(connection, seq) for seq in self._journal(connection, _HANDED_OVER)
            ]
        texts = [opened.body.get("checkpoint_key"), *(entry.body.get("new") for entry in handed)]
        try:
            return [Verifier.from_vkey(str(text)) for text in texts]
        except NoteError as error:
            raise StorageError(f"log {self._origin} names a key that is none: {error}") from None

    def newest_size(self) -> int:
        """As SealedLog."""
        query = self._heads().order_by(checkpoints.c.size.desc()).limit(1)
        with read_transaction(self._engine) as connection:
            row = connection.execute(query).first()
        return 0 if row is None else int(row[0])

    def head(self, size: int) -> SealedHead | None:
        """As SealedLog."""
        with read_transaction(self._engine) as connection:
            return self._read_head(connection, self._heads().where(checkpoints.c.size == size))

    def next_head(self, first: int, most: int) -> SealedHead | None:
        """As SealedLog."""
        size = checkpoints.c.size
        within = self._heads().where(size > first, size <= first + most)
        largest = within.order_by(size.desc()).limit(1)
        witnessed = (
            within.join(cosigned, (cosigned.c.log == checkpoints.c.log) & (cosigned.c.size == size))
            .order_by(size.desc())
            .limit(1)
        )
        smallest = self._heads().where(size > first).order_by(size).limit(1)
        with read_transaction(self._engine) as connection:
            seam = self._next_seam(connection, first)
            at_seam = self._heads().where(size == seam, size <= first + most)
            for query in (at_seam, witnessed, largest, smallest):
                if (found := self._read_head(connection, query)) is not None:
                    return found
        return None

    def first_whole(self) -> int:
        """As SealedLog."""
        with read_transaction(self._engine) as connection:
            purges = [self._entry(connection, seq) for seq in self._journal(connection, _PURGED)]
            lasts = [last for entry in purges if type(last := entry.body.get("last")) is int]
            if not lasts:
                return 0
            size = checkpoints.c.size
            query = self._heads().where(size > max(lasts)).order_by(size).limit(1)
            row = connection.execute(query).first()
        if row is None:
            raise StorageError(f"log {self._origin} has no checkpoint after its newest purge")
        return int(row[0])

    def entries(self, first: int, stop: int) -> list[bytes]:
        """As SealedLog."""
        query = (
            select(entries.c.seq, entries.c.bytes)
            .where(entries.c.log == self._origin, entries.c.seq >= first, entries.c.seq < stop)
            .order_by(entries.c.seq)
        )
        with read_transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return [row[1] for at, row in enumerate(rows) if row[0] == first + at]

    def _next_seam(self, connection: Connection, first: int) -> int:
        """The size at which the next hand-over of keys is signed by both; 0 for none. A segment
        ends there: without that checkpoint nobody could follow the hand-over in an archive."""
        seqs = self._journal(connection, _HANDED_OVER)
        return next((seq + 1 for seq in seqs if seq >= first), 0)

    def _heads(self) -> Select[int, bytes, str]:
        columns = checkpoints.c
        query = select(columns.size, columns.edge, columns.note)
        return query.where(columns.log == self._origin)

    def _read_head(
        self, connection: Connection, query: Select[int, bytes, str]
    ) -> SealedHead | None:
        row = connection.execute(query).first()
        if row is None:
            return None
        note = cosigned_store.read_cosigned(connection, self._origin, row[0])
        return SealedHead(row[0], bytes(row[1]), note or row[2])

    def _journal(self, connection: Connection, kind: str) -> list[int]:
        query = select(journal.c.seq).where(journal.c.log == self._origin, journal.c.type == kind)
        return [row[0] for row in connection.execute(query.order_by(journal.c.seq))]

    def _entry(self, connection: Connection, seq: int) -> Entry:
        query = select(entries.c.bytes).where(entries.c.log == self._origin, entries.c.seq == seq)
        data = connection.execute(query).scalar()
        try:
            return parse_entry(data or b"")
        except (EntryError, TypeError):
            raise StorageError(
                f"entry {seq} of log {self._origin} cannot be read; run `gateway audit verify`"
            ) from None
