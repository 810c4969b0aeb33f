"""Verifying the whole stored log while the gateway serves."""

import threading
import time
from collections.abc import Iterator, Sequence

from gateway.storage import log_store
from gateway.storage.engine import Connection, Engine, StorageError, read_transaction
from gateway.transparency.errors import SourceError
from gateway.transparency.notes import Verifier
from gateway.transparency.verdict import Verdict
from gateway.transparency.verify import Row, verify_log

_BATCH = 500
_SHARE = 1.0  # sleeps this multiple of the time it worked, so that answering comes first


class _StoppedError(Exception):
    pass


class StoredLog:
    """A `LogSource` over a read transaction: one snapshot of one log."""

    def __init__(self, connection: Connection, log: str) -> None:
        self._connection = connection
        self._log = log

    def estimate_entries(self) -> int:
        """As LogSource."""
        return log_store.count_entries(self._connection, self._log)

    def entries(self) -> Iterator[Sequence[Row]]:
        """As LogSource."""
        batch: list[Row] = []
        for row in log_store.read_entries(self._connection, self._log, 0):
            batch.append(row)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch

    def checkpoints(self) -> Iterator[tuple[object, object, object]]:
        """As LogSource."""
        for size, root, note in log_store.read_checkpoints(self._connection, self._log):
            yield size, root, note.encode()


class BackgroundVerification:
    """One pass on its own thread. `verdict` is None until it ends."""

    def __init__(self, engine: Engine, origin: str, verifier: Verifier) -> None:
        self._engine = engine
        self._origin = origin
        self._verifier = verifier
        self._stopping = threading.Event()
        self._worked_since = time.monotonic()
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
        if verdict is None or verdict.exit_code in (0, 3):
            return None
        return f"log {self._origin} does not verify: {verdict.word} {verdict.sentence}"

    def _run(self) -> None:
        try:
            with read_transaction(self._engine) as connection:
                source = StoredLog(connection, self._origin)
                self._worked_since = time.monotonic()
                self.verdict = verify_log(
                    source, self._origin, self._verifier, progress=self._pause
                )
        except (_StoppedError, StorageError, SourceError):
            return  # unknown is not broken; the writing side reports a database that is gone

    def _pause(self, _done: int, _expected: int) -> None:
        worked = time.monotonic() - self._worked_since
        if self._stopping.wait(worked * _SHARE):
            raise _StoppedError
        self._worked_since = time.monotonic()
