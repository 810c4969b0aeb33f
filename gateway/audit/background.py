"""Verifying the whole stored log while the gateway serves."""

import threading
import time
from collections.abc import Iterator, Sequence

from gateway.audit.journal import Journal, JournalLinkError, read_journal_type
from gateway.audit.removals import REMOVING_TYPES
from gateway.audit.tree import TILE_WIDTH, split_hashes
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Connection, Engine, StorageError, read_transaction
from gateway.transparency.entry import parse_entry
from gateway.transparency.errors import EntryError, SourceError
from gateway.transparency.notes import Verifier
from gateway.transparency.source import Row, StoredRow
from gateway.transparency.verdict import Verdict
from gateway.transparency.verify import verify_log

_BATCH = 500
_WHOLE = (0, 3)  # exit codes of a verdict: 3 has nothing outside to compare with
_UNSIGNED_PAUSE_SECONDS = 1.0
_SHARE = 1.0  # sleeps this multiple of the time it worked, so that answering comes first


class _StoppedError(Exception):
    pass


class StoredLog:
    """A `LogSource` over a read transaction: one snapshot of one log."""

    def __init__(self, connection: Connection, log: str) -> None:
        self._connection = connection
        self._log = log

    @property
    def origin(self) -> str:
        """As LogSource."""
        return self._log

    def estimate_entries(self) -> int:
        """As LogSource."""
        return log_store.count_entries(self._connection, self._log)

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        """As LogSource."""
        batch: list[Row] = []
        for row in log_store.read_entries(self._connection, self._log, first):
            batch.append(row)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch

    def checkpoints(self, from_size: int = 0) -> Iterator[StoredRow]:
        """As LogSource."""
        for size, root, note in log_store.read_checkpoints(self._connection, self._log):
            if size >= from_size:
                yield size, root, note.encode()

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        """As LogSource."""
        found: list[bytes] = []
        for index in range(first // TILE_WIDTH, -(-stop // TILE_WIDTH)):
            joined = log_store.read_tile(self._connection, self._log, 0, index)
            if joined is None:
                break
            found += split_hashes(joined)
        skipped = first % TILE_WIDTH
        return found[skipped : skipped + stop - first]

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        """None here: the start held them against the newest checkpoint."""
        return iter(())

    def tail_problem(self) -> str | None:
        """None: whole groups are committed."""
        return None

    def opener(self) -> None:
        """None: one thread reads, so that answering comes first."""

    def close(self) -> None:
        """The transaction is the caller's."""


class JournalWatch(StoredLog):
    """A stored log whose journal is gathered from the entries while they are read, to be held
    against the journal's rows."""

    def __init__(self, connection: Connection, log: str) -> None:
        super().__init__(connection, log)
        self._journal = Journal()
        self._types: dict[int, str] = {}
        self._size = 0
        self._bad_link: str | None = None

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        """As LogSource."""
        for batch in super().entries(first):
            for seq, data, _leaf in batch:
                if type(data) is bytes and read_journal_type(data) is not None:
                    self._take(data)
                if type(seq) is int:
                    self._size = seq + 1
            yield batch

    def find_problem(self) -> str | None:
        """Why the journal does not hold, naming the first entry; asked when all was read and the
        entries themselves hold."""
        # Rows past what was read are of entries that came meanwhile.
        rows = dict(journal_store.read_rows(self._connection, self._log, self._size))
        for seq in sorted(rows.keys() | self._types.keys()):
            kind, row = self._types.get(seq), rows.get(seq)
            if kind is None:
                return f"entry {seq} has a journal row ({row}) and is no journal entry"
            if row != kind:
                return f"entry {seq} is {kind} and its journal row is {row or 'missing'}"
        return self._bad_link

    def _take(self, data: bytes) -> None:
        try:
            entry = parse_entry(data)
            self._types[entry.seq] = entry.type
            self._journal.follow(entry.seq, entry.type, entry.body)
        except EntryError:
            return  # the verifier names it
        except JournalLinkError as error:
            self._bad_link = self._bad_link or f"entry {entry.seq} ({entry.type}): {error}"


class BackgroundVerification:
    """One pass on its own thread. `verdict` is None until it ends."""

    def __init__(self, engine: Engine, origin: str, verifier: Verifier) -> None:
        self._engine = engine
        self._origin = origin
        self._verifier = verifier
        self._stopping = threading.Event()
        self._worked_since = time.monotonic()
        self._journal_problem: str | None = None
        self.verdict: Verdict | None = None
        self._thread = threading.Thread(target=self._run, name="log-verifier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the pass without a verdict, if it still runs; blocks until the thread ended."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Wait for the end of the pass."""
        self._thread.join()

    def health(self) -> str | None:
        """Why the log is broken, or None: whole, or not known yet."""
        verdict = self.verdict
        if verdict is None:
            return None
        if verdict.exit_code not in _WHOLE:
            return f"log {self._origin} does not verify: {verdict.word} {verdict.sentence}"
        if self._journal_problem is not None:
            return (
                f"the journal of log {self._origin} does not hold: {self._journal_problem}; "
                "compare with a backup"
            )
        return None

    def _run(self) -> None:
        try:
            while not self._verify():
                if self._stopping.wait(_UNSIGNED_PAUSE_SECONDS):
                    return
        except (_StoppedError, StorageError, SourceError):
            return  # unknown is not broken; the writing side reports a database that is gone

    def _verify(self) -> bool:
        """Whether there is a verdict now. There is none before the first checkpoint, and none over
        a removal that is not signed yet: it would be called a loss, and soon it is signed."""
        with read_transaction(self._engine) as connection:
            if _must_wait(connection, self._origin):
                return False
            source = JournalWatch(connection, self._origin)
            self._worked_since = time.monotonic()
            verdict = verify_log(source, self._origin, self._verifier, progress=self._pause)
            if verdict.exit_code in _WHOLE:
                self._journal_problem = source.find_problem()
            self.verdict = verdict
            return True

    def _pause(self, _done: int, _expected: int) -> None:
        worked = time.monotonic() - self._worked_since
        if self._stopping.wait(worked * _SHARE):
            raise _StoppedError
        self._worked_since = time.monotonic()


def _must_wait(connection: Connection, log: str) -> bool:
    last = log_store.read_last_checkpoint(connection, log)
    if last is None:
        return True  # a new log, of which nothing is signed before others were heard
    size = last.size
    rows = journal_store.read_rows(connection, log, log_store.count_entries(connection, log))
    return any(row.type in REMOVING_TYPES and row.seq >= size for row in rows)
