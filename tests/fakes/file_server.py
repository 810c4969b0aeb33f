"""A server of static files on loopback, as anybody's would be, with a few bad manners."""

import gzip
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class FileServer:
    """`asked` are the paths in order of arrival, `connections` how many were opened. `before` may
    answer a request itself (then it gives True)."""

    folder: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    before: Callable[[http.server.BaseHTTPRequestHandler], bool] = lambda handler: False
    is_gzip: bool = False


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake here, in the connection's thread, so that a refused one hurts no other.
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        with request:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up as they like."""


@contextmanager
def serve_files(folder: Path, context: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Serve `folder` on a port of its own until the end."""
    state = FileServer(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def setup(self) -> None:
            state.connections += 1
            super().setup()

        def do_GET(self) -> None:
            state.asked.append(self.path)
            if not state.before(self):
                self._answer(state.folder / self.path.lstrip("/"))

        def _answer(self, path: Path) -> None:
            is_there = path.is_file()
            data = path.read_bytes() if is_there else b"there is nothing here"
            if state.is_gzip:
                data = gzip.compress(data, 1)
            self.send_response(200 if is_there else 404)
            if state.is_gzip:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.context = context
    scheme = "http" if context is None else "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        state.address = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
