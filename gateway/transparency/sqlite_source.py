"""The log as a SQLite database holds it, read-only, whether the gateway runs or not.

entries(log TEXT, seq INTEGER, bytes BLOB, leaf_hash BLOB)
checkpoints(log TEXT, size INTEGER, root BLOB, note TEXT, …)
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from gateway.transparency.errors import SourceError

_BATCH_ROWS = 1_000
_BUSY_SECONDS = 10.0
_NAMED_LOGS = 5
_HEADER = b"SQLite format 3\x00"


class SqliteSource:
    """One log in a database: a `LogSource` over one snapshot. Close it after use."""

    def __init__(self, path: Path, log: str | None = None) -> None:
        """Open the database; raises SourceError when it is none, holds no log, or holds several and
        `log` does not say which."""
        self._path = path
        self._connection = _connect(path)
        try:
            with self._reading():
                # Text comes as bytes: what a stranger wrote need not be UTF-8.
                self._connection.text_factory = bytes
                self._connection.execute("BEGIN")  # one snapshot for everything that follows
            self.origin = self._choose(log)
        except SourceError:
            self._connection.close()
            raise

    def __enter__(self) -> "SqliteSource":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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

    def checkpoints(self) -> Iterator[tuple[object, object, object]]:
        """(size, root, note) in order of size, smallest first."""
        query = "SELECT size, root, note FROM checkpoints WHERE log = ? ORDER BY size"
        return chain.from_iterable(self._batches(query, self.origin))

    def _batches(
        self, query: str, *values: object
    ) -> Iterator[list[tuple[object, object, object]]]:
        with self._reading():
            cursor = self._connection.execute(query, values)
        while True:
            with self._reading():  # never across the yield: a closed generator is no bad evidence
                batch = cursor.fetchmany(_BATCH_ROWS)
            if not batch:
                return
            yield batch

    def _choose(self, log: str | None) -> str:
        logs = self._logs()
        names = ", ".join(map(repr, logs[:_NAMED_LOGS]))
        if not logs:
            raise SourceError(f"{self._path} holds no log: its tables are empty")
        if log is None and len(logs) > 1:
            raise SourceError(f"{self._path} holds several logs, say which with --log: {names}")
        if log is not None and log not in logs:
            raise SourceError(f"{self._path} holds no log {log!r}, but {names}")
        return log or logs[0]

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


def _connect(path: Path) -> sqlite3.Connection:
    try:
        with path.open("rb") as file:
            header = file.read(len(_HEADER))
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    if header != _HEADER:
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
    if text.startswith(("no such table", "no such column")):
        return f"{path} is a database, but not a gateway's: {text}"
    return f"cannot read {path}: {text}"
