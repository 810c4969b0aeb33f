"""The fake gateway behind real mTLS on loopback, for tests of connections and commands."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.fakes.gateway import FakeGateway
from tests.fakes.pki import GATEWAY, Domain


@contextmanager
def serve(
    gateway: FakeGateway,
    domain: Domain,
    server_files: tuple[Path, Path] | None = None,
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> Iterator[str]:
    """The URL while it serves; only clients of the domain get through."""
    certificate, key = server_files or domain.files(GATEWAY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest_tls
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(domain.ca)
    context.verify_mode = ssl.CERT_REQUIRED

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = httpx.Request(self.command, f"https://localhost{self.path}", content=body)
            response = gateway.handle(request)
            self.send_response(response.status_code)
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: object, client_address: object) -> None:
            # The handshake here, in the connection's thread, so that a refused one hurts no other.
            try:
                assert not isinstance(request, tuple)
                with context.wrap_socket(request, server_side=True) as secured:  # type: ignore[arg-type]
                    Handler(secured, client_address, self)
            except OSError:
                pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
