"""Hears of another activation between two rounds: the gateway's server-sent events
(docs/formats.md section 5), read on a thread of their own.

What is heard only ever ends leases. Without the feed a collector still asks at each round's start
and leases still end by themselves, so a feed that is down costs nothing but the moment.
"""

import contextlib
import threading
from collections.abc import Callable

import httpx
import msgspec

from collector.errors import CollectorError

PATH = "/v1/events"
MAX_LINE_CHARACTERS = 4_096
SILENCE_SECONDS = 40.0  # the gateway sends a comment each 15 s
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0


class _PolicyEvent(msgspec.Struct, frozen=True):
    activation: int


class PolicyFeed:
    """The newest activation that was heard of. `changed` is set whenever it is another."""

    def __init__(self, open_http: Callable[[], httpx.Client]) -> None:
        self._open_http = open_http
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy-feed", daemon=True)
        self._http: httpx.Client | None = None
        self.heard: int | None = None
        self.changed = threading.Event()

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, as far as it does not wait for the network: it is a daemon."""
        self._stopping.set()
        http = self._http
        if http is not None:
            http.close()

    def _run(self) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            before = self.heard
            # An outage is the round's to report; here it only means: listen again.
            with contextlib.suppress(
                httpx.HTTPError, httpx.StreamError, OSError, CollectorError, RuntimeError
            ):
                self._listen()
            if self.heard != before:
                pause_seconds = FIRST_PAUSE_SECONDS
            self._stopping.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, MAX_PAUSE_SECONDS)

    def _listen(self) -> None:
        with self._open_http() as http:
            self._http = http
            timeout = httpx.Timeout(SILENCE_SECONDS, connect=5.0)
            with http.stream("GET", PATH, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    return
                for line in response.iter_lines():
                    if self._stopping.is_set() or len(line) > MAX_LINE_CHARACTERS:
                        return
                    self._take(line)

    def _take(self, line: str) -> None:
        if not line.startswith("data:"):
            return
        try:
            event = msgspec.json.decode(line[len("data:") :].strip(), type=_PolicyEvent)
        except msgspec.MsgspecError:
            return
        if event.activation != self.heard:
            self.heard = event.activation
            self.changed.set()
