"""A TCP relay on 127.0.0.1 that cuts a connection at a message, once: before the server has it (the
write failed), or after the server has answered it (the write persisted and nobody was told)."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_CHUNK = 65_536


@dataclass
class Cut:
    """Cut at the first message from the client that holds `marker`."""

    marker: bytes
    is_after: bool
    happened: threading.Event = field(default_factory=threading.Event)


class CuttingProxy:
    """Relays to a port of 127.0.0.1. `port` is where it listens."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._cut: Cut | None = None
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def cutting(self, marker: bytes, *, after: bool) -> Iterator[Cut]:
        """Cut once within; the test looks whether it happened."""
        cut = Cut(marker, after)
        with self._lock:
            self._cut = cut
        try:
            yield cut
        finally:
            with self._lock:
                self._cut = None

    def close(self) -> None:
        """Accept no more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for socket_ in (client, server):
                socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            relay = _Relay(self, client, server)
            threading.Thread(target=relay.send, daemon=True).start()
            threading.Thread(target=relay.answer, daemon=True).start()

    def take_cut(self, data: bytes) -> Cut | None:
        """The cut that this message is for; nobody else gets it."""
        with self._lock:
            cut = self._cut
            if cut is None or cut.marker not in data:
                return None
            self._cut = None
            return cut


class _Relay:
    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._pending: Cut | None = None

    def send(self) -> None:
        """From the client to the server."""
        with contextlib.suppress(OSError):
            while data := self._client.recv(_CHUNK):
                cut = self._proxy.take_cut(data)
                if cut is not None and not cut.is_after:
                    self._end(cut)
                    return
                self._pending = cut or self._pending
                self._server.sendall(data)
        self._end(None)

    def answer(self) -> None:
        """From the server to the client."""
        with contextlib.suppress(OSError):
            while data := self._server.recv(_CHUNK):
                if self._pending is not None:
                    self._end(self._pending)
                    return
                self._client.sendall(data)
        self._end(None)

    def _end(self, cut: Cut | None) -> None:
        if cut is not None:
            cut.happened.set()  # before anybody can see it
        for socket_ in (self._client, self._server):
            with contextlib.suppress(OSError):
                socket_.shutdown(socket.SHUT_RDWR)
            socket_.close()
