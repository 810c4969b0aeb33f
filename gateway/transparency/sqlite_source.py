"""The log as a SQLite database holds it, read-only, whether the gateway runs or not.

entries(log TEXT, seq INTEGER, bytes BLOB, leaf_hash BLOB)
checkpoints(log TEXT, size INTEGER, root BLOB, note TEXT, edge BLOB)

A copy of these two alone is evidence enough; what lies in the others is checked where they are.
"""

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.transparency.databases import MONTH_KEY, Database, choose_log, split_tiles, tiles_of
from gateway.transparency.errors import SourceError
from gateway.transparency.source import Opener, StoredPayload

_BATCH_ROWS = 2_000
_MAX_VALUES = 500  # of one statement
_TABLES_BESIDE = ("journal", "payloads", "tiles", "payload_keys", "month_keys", "cosigned")
_BUSY_SECONDS = 10.0


class StoredText(bytes):
    """Text as it lies: what a stranger wrote need not be UTF-8. A kind of its own, so that it is
    told from the bytes that should stand there."""


class SqliteSource(Database):
    """One log in a database: a `LogSource` over one snapshot. Close it after use."""

    def __init__(self, path: Path, log: str | None = None) -> None:
        """Open the database; raises SourceError when it is none, holds no log, or holds several and
        `log` does not say which."""
        self._path = path
        self._connection = _connect(path)
        try:
            with self._reading():
                self._connection.text_factory = StoredText
                self._connection.execute("BEGIN")  # one snapshot for everything that follows
                names = self._connection.execute("SELECT name FROM sqlite_master").fetchall()
                self._tables = {name.decode(errors="replace") for (name,) in names}
            self.origin = choose_log(path, self._logs(), log)
        except SourceError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def estimate_entries(self) -> int:
        """The highest sequence number and one: exact for a whole log."""
        with self._reading():
            query = "SELECT max(seq) FROM entries WHERE log = ?"
            (highest,) = self._connection.execute(query, (self.origin,)).fetchone()
        return highest + 1 if isinstance(highest, int) else 0

    def entries(self, first: int = 0) -> Iterator[Sequence[tuple[object, object, object]]]:
        """Batches of (seq, bytes, leaf_hash) from entry `first` on, in order."""
        query = "SELECT seq, bytes, leaf_hash FROM entries WHERE log = ? AND seq >= ? ORDER BY seq"
        if not first:  # every row, also one whose seq is no number
            query = query.replace("AND seq >= ?", "AND ? IS NOT NULL")
        return self._batches(query, self.origin, first)

    def checkpoints(self, from_size: int = 0) -> Iterator[tuple[object, object, object]]:
        """(size, root, note) in order of size, smallest first."""
        return self._rows("size, root, note", "checkpoints", "size", from_size)

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        """As LogSource: out of the full tiles of level 0."""
        if first >= stop or not self._has("tiles"):
            return []
        query = (
            "SELECT idx, hashes FROM tiles WHERE log = ? AND level = 0 AND idx BETWEEN ? AND ? "
            "ORDER BY idx"
        )
        rows = chain.from_iterable(self._batches(query, self.origin, *tiles_of(first, stop)))
        return split_tiles(rows, first, stop)

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        """(level, index, joined hashes), level 0 first."""
        if not self._has("tiles"):
            return iter(())
        query = "SELECT level, idx, hashes FROM tiles WHERE log = ? ORDER BY level, idx"
        return chain.from_iterable(self._batches(query, self.origin))

    def opener(self) -> Opener | None:
        """As LogSource."""
        return partial(SqliteSource, self._path, self.origin)

    @property
    def is_extract(self) -> bool:
        """Whether it is a copy of entries and checkpoints alone, with nothing beside them."""
        return not self._tables.intersection(_TABLES_BESIDE)

    def edges(self) -> Iterator[tuple[object, object]]:
        """(size, edge) of stored checkpoints, in order of size."""
        return self._rows("size, edge", "checkpoints", "size")

    def journal_rows(self) -> Iterator[tuple[object, object]]:
        """(seq, type), in order of seq; the type as text where it is one."""
        for seq, kind in self._rows("seq, type", "journal", "seq"):
            yield seq, kind.decode(errors="replace") if isinstance(kind, bytes) else kind

    def cosigned(self) -> Iterator[tuple[object, object, object]]:
        """(size, None, note), in order of size."""
        return self._rows("size, NULL, note", "cosigned", "size")

    def count_payloads(self) -> int:
        """How many payload rows there are."""
        if not self._has("payloads"):
            return 0
        with self._reading():
            query = "SELECT count(*) FROM payloads WHERE log = ?"
            (count,) = self._connection.execute(query, (self.origin,)).fetchone()
        return int(count)

    def payloads(self, class_ids: Collection[str]) -> Mapping[str, StoredPayload]:
        """As DatabaseSource."""
        found: dict[str, StoredPayload] = {}
        if not self._has("payloads"):
            return found
        wanted = list(class_ids)
        for at in range(0, len(wanted), _MAX_VALUES):
            part = wanted[at : at + _MAX_VALUES]
            query = (
                f"SELECT payloads.class_id, sealed, month_key, {MONTH_KEY}, month_keys.id "  # noqa: S608 - question marks
                "FROM payloads LEFT JOIN payload_keys ON payload_keys.class_id = payloads.class_id "
                "LEFT JOIN month_keys ON month_keys.id = payload_keys.month_key "
                f"WHERE payloads.log = ? AND payloads.class_id IN ({', '.join('?' * len(part))})"
            )
            for class_id, sealed, key, place, month in chain.from_iterable(
                self._batches(query, self.origin, *part)
            ):
                found[class_id.decode(errors="replace")] = StoredPayload(
                    # Text is what opens nothing, whatever its bytes.
                    sha256(sealed).digest() if type(sealed) is bytes else b"",
                    _text(key),
                    _text(place),
                    has_key=key is not None,
                    has_month_key=month is not None,
                )
        return found

    def those_in(self, table: str, column: str, values: Collection[str]) -> set[str]:
        """As Database."""
        found: set[str] = set()
        wanted = sorted(values) if self._has(table) else []
        for at in range(0, len(wanted), _MAX_VALUES):
            part = wanted[at : at + _MAX_VALUES]
            marks = ", ".join("?" * len(part))
            query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 - our own names
            found.update(_text(row[0]) for row in chain.from_iterable(self._batches(query, *part)))
        return found

    def _has(self, table: str) -> bool:
        return table in self._tables

    def _rows(self, columns: str, table: str, order: str, start: int = 0) -> Iterator[Any]:
        """Rows of a table in order, empty where there is no such table; from 0, every row."""
        if not self._has(table):
            return iter(())
        query = f"SELECT {columns} FROM {table} WHERE log = ? AND {order} >= ? ORDER BY {order}"  # noqa: S608 - our own names
        if not start:  # every row, also one whose place is no number
            query = query.replace(f"AND {order} >= ?", "AND ? IS NOT NULL")
        return chain.from_iterable(self._batches(query, self.origin, start))

    def _batches(self, query: str, *values: object) -> Iterator[list[Any]]:
        with self._reading():
            cursor = self._connection.execute(query, values)
        while True:
            with self._reading():  # never across the yield: a closed generator is no bad evidence
                batch = cursor.fetchmany(_BATCH_ROWS)
            if not batch:
                return
            yield batch

    def _logs(self) -> list[str]:
        """The distinct logs, by skipping along the index instead of reading every row."""
        names: set[str] = set()
        for table in ("entries", "checkpoints"):
            after: object = b""
            while True:
                query = (
                    f"SELECT min(log) FROM {table} "  # noqa: S608 - one of the two names above
                    "WHERE log > CAST(? AS TEXT) AND typeof(log) = 'text'"
                )
                with self._reading():
                    (after,) = self._connection.execute(query, (after,)).fetchone()
                if not isinstance(after, bytes):
                    break
                names.add(after.decode(errors="replace"))
        return sorted(names)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SourceError(_explain(self._path, error)) from None


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _connect(path: Path) -> sqlite3.Connection:
    # Never by opening it here: closing any descriptor of the file would drop the locks that another
    # connection of this process holds on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    if not path.is_file() or not os.access(path, os.R_OK):
        why = "Permission denied" if path.is_file() else "Is a directory"
        raise SourceError(f"cannot read {path}: {why}")
    if not size:
        raise SourceError(f"{path} is not a SQLite database")
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        return _open(address)
    except sqlite3.Error as error:
        # A database in WAL mode needs its -shm beside it, which a read-only folder cannot take.
        # Without a -wal nothing is outside the file, and it can be read as it lies.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise SourceError(
                f"cannot open {path}: {error}; copy it with its -wal file to a folder of your own"
            ) from None
    try:
        return _open(address + "&immutable=1")
    except sqlite3.Error as error:
        raise SourceError(_explain(path, error)) from None


def _open(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _explain(path: Path, error: sqlite3.Error) -> str:
    text = str(error)
    if text.startswith("file is not a database"):
        return f"{path} is not a SQLite database"
    if text.startswith(("no such table", "no such column")):
        return f"{path} is a database, but not a gateway's: {text}"
    return f"cannot read {path}: {text}"
