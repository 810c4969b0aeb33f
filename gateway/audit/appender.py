"""One thread that writes: callers on an event loop hand over and wait; all that waits is one
transaction (group commit)."""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.audit.errors import LogFullError
from gateway.audit.groups import Group, Outcome
from gateway.audit.port import Appended
from gateway.audit.sequencer import Sequencer
from gateway.clock import Clock
from gateway.errors import LogUnavailableError

MAX_WAITING_ENTRIES = 16_384
MAX_TRANSACTION_ENTRIES = 4_096
_NANOSECONDS = 1_000_000_000
_SHORTEST_WAIT_SECONDS = 0.005
_FIRST_SCRUB_PAUSE_SECONDS = 1.0
_LONGEST_SCRUB_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    group: Group
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[list[Appended]]"


class Appender:
    """Runs a started sequencer on its own thread, and seals at most every `interval_seconds`. What
    was removed is scrubbed at once; where a reader is in the way, again after a pause that doubles
    up to a minute."""

    def __init__(
        self,
        sequencer: Sequencer,
        clock: Clock,
        interval_seconds: float,
        max_waiting_entries: int = MAX_WAITING_ENTRIES,
    ) -> None:
        self._sequencer = sequencer
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._max_waiting_entries = max_waiting_entries
        self._waiting: deque[_Waiting] = deque()
        self._waiting_entries = 0
        self._closing = False
        self._wake = threading.Condition()
        self._sealed_at_ns = clock.boottime_ns()
        self._scrub_at_ns = self._sealed_at_ns
        self._scrub_pause_seconds = _FIRST_SCRUB_PAUSE_SECONDS
        self._thread = threading.Thread(target=self._run, name="log-appender", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def append(self, group: Group) -> list[Appended]:
        """Hand a group over and wait until it is durable; raises MovedError, and
        LogUnavailableError, at once when the queue is full or closed. A caller that is cancelled
        may find its group written."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(group, loop, loop.create_future())
        with self._wake:
            if self._closing or not self._thread.is_alive():
                raise LogUnavailableError("the log is closed")
            if self._waiting_entries >= self._max_waiting_entries:
                raise LogFullError(f"{self._waiting_entries} entries wait to be written already")
            self._waiting.append(waiting)
            self._waiting_entries += len(group.drafts)
            self._wake.notify()
        return await waiting.future

    def close(self) -> None:
        """Write what waits, seal, end the thread; blocks until done, may be called twice."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            batch = self._take()
            if batch:
                _resolve(batch, self._sequencer.commit([waiting.group for waiting in batch]))
            elif self._closing:
                break
            self._seal_if_due()
            self._scrub_if_due()
        self._sequencer.seal()
        self._sequencer.scrub()

    def _take(self) -> list[_Waiting]:
        """Everything that waits, up to one transaction's worth; empty when it is time to seal or
        to end."""
        with self._wake:
            if not self._waiting and not self._closing:
                self._wake.wait(self._idle_seconds())
            batch: list[_Waiting] = []
            entries = 0
            while self._waiting and (not batch or entries < MAX_TRANSACTION_ENTRIES):
                waiting = self._waiting.popleft()
                entries += len(waiting.group.drafts)
                batch.append(waiting)
            self._waiting_entries -= entries
            return batch

    def _idle_seconds(self) -> float | None:
        waits: list[float] = []
        if self._has_sealing_to_do():
            waits.append(min(self._due_seconds(), self._interval_seconds))
        if self._sequencer.must_scrub:
            waits.append((self._scrub_at_ns - self._clock.boottime_ns()) / _NANOSECONDS)
        return max(min(waits), _SHORTEST_WAIT_SECONDS) if waits else None

    def _due_seconds(self) -> float:
        elapsed = (self._clock.boottime_ns() - self._sealed_at_ns) / _NANOSECONDS
        return self._interval_seconds - elapsed

    def _has_sealing_to_do(self) -> bool:
        # After a failure, sealing doubles as the probe that finds the log writable again: with
        # readiness false nobody may send entries that would.
        return self._sequencer.unsealed > 0 or self._sequencer.failure is not None

    def _seal_if_due(self) -> None:
        if self._has_sealing_to_do() and self._due_seconds() <= 0:
            self._sealed_at_ns = self._clock.boottime_ns()
            self._sequencer.seal()

    def _scrub_if_due(self) -> None:
        if not self._sequencer.must_scrub:
            self._scrub_pause_seconds = _FIRST_SCRUB_PAUSE_SECONDS
            return
        now_ns = self._clock.boottime_ns()
        if now_ns >= self._scrub_at_ns:
            self._sequencer.scrub()
            self._scrub_at_ns = now_ns + int(self._scrub_pause_seconds * _NANOSECONDS)
            self._scrub_pause_seconds = min(
                2 * self._scrub_pause_seconds, _LONGEST_SCRUB_PAUSE_SECONDS
            )


def _resolve(batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
    """Tell each caller, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Outcome]]] = {}
    for waiting, outcome in zip(batch, outcomes, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting, outcome))
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell, told)
        except RuntimeError:
            continue  # the loop is closed: nobody waits any more


def _tell(told: Sequence[tuple[_Waiting, Outcome]]) -> None:
    for waiting, outcome in told:
        if waiting.future.done():
            continue  # cancelled
        if isinstance(outcome, list):
            waiting.future.set_result(outcome)
        else:
            waiting.future.set_exception(outcome)
