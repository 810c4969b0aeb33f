"""A log behind an address is read as from a folder, whatever the server does."""

import http.server
import pickle
import socket
import ssl
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.identity.tls import client_context
from gateway.transparency.errors import SourceError
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.http_source import HttpLimits, HttpSource
from gateway.transparency.proving import prove_entry
from gateway.transparency.source import LogSource, Row
from tests.fakes.file_server import FileServer, serve_files
from tests.fakes.log import ORIGIN
from tests.fakes.pki import AUDITOR, GATEWAY, make_domain
from tests.fakes.sql_logs import SIGNER
from tests.fakes.trees import make_entries, write_tree

ENTRIES = make_entries(1_500)
FAST = HttpLimits(idle_seconds=2.0, pause_seconds=0.01, attempts=3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    write_tree(tmp_path, ENTRIES)
    with serve_files(tmp_path) as found:
        yield found


def rows(source: LogSource, first: int = 0) -> list[Row]:
    return list(chain.from_iterable(source.entries(first)))


def test_it_gives_what_the_folder_gives(server: FileServer) -> None:
    folder = FolderSource(server.folder)
    with HttpSource(server.address + "/", ORIGIN, limits=FAST) as source:
        assert source.origin == ORIGIN
        assert rows(source) == rows(folder)
        assert rows(source, 700) == rows(folder, 700)
        assert list(source.tiles()) == list(folder.tiles())
        assert list(source.checkpoints()) == list(folder.checkpoints())
        assert source.leaf_hashes(100, 900) == folder.leaf_hashes(100, 900)
        assert prove_entry(source, 900, SIGNER.verifier) == prove_entry(folder, 900)
        assert source.tail_problem() is None
    # One for the first thread and one for each reader, however many files.
    assert len(server.asked) > 30
    assert server.connections <= 1 + FAST.connections


def test_a_compressed_answer_is_read(server: FileServer) -> None:
    server.is_gzip = True
    with HttpSource(server.address, limits=FAST) as source:
        assert rows(source) == rows(FolderSource(server.folder))


def test_what_is_not_there_is_left_out(server: FileServer) -> None:
    (server.folder / "tile/entries/001").unlink()
    (server.folder / "tile/0/002").unlink()
    with HttpSource(server.address, limits=FAST) as source:
        assert rows(source) == rows(FolderSource(server.folder))
        assert (0, 2, None) in list(source.tiles())


def test_a_connection_that_breaks_and_a_busy_server_are_tried_again(server: FileServer) -> None:
    count = 0

    def before(handler: http.server.BaseHTTPRequestHandler) -> bool:
        nonlocal count
        count += 1
        if count % 7 == 1:  # cut off in the middle
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"x")
            handler.close_connection = True
            return True
        if count % 7 == 3:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return True
        if count % 7 == 5:
            handler.send_response(503)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return True
        return False

    server.before = before
    limits = HttpLimits(idle_seconds=2.0, pause_seconds=0.01, attempts=8)
    with HttpSource(server.address, limits=limits) as source:
        assert rows(source) == rows(FolderSource(server.folder))
    assert count > 15


@pytest.mark.parametrize(("status", "sentence"), [(403, "403"), (302, "302"), (503, "503")])
def test_any_other_answer_is_no_evidence(server: FileServer, status: int, sentence: str) -> None:
    def before(handler: http.server.BaseHTTPRequestHandler) -> bool:
        handler.send_response(status)
        handler.send_header("Location", "http://127.0.0.1:9/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    server.before = before
    with pytest.raises(SourceError, match=sentence):
        HttpSource(server.address, limits=FAST)
    assert len(server.asked) == (FAST.attempts if status == 503 else 1)


@pytest.mark.parametrize("kind", ["long", "bomb", "endless"])
def test_more_than_a_file_may_have_is_not_taken(server: FileServer, kind: str) -> None:
    def before(handler: http.server.BaseHTTPRequestHandler) -> bool:
        if handler.path != "/tile/0/000":
            return False
        path = server.folder / "tile/0/000"
        if kind == "endless":
            handler.send_response(200)
            handler.end_headers()
            for _ in range(10_000):
                handler.wfile.write(bytes(8_192))
            handler.close_connection = True
            return True
        path.write_bytes(path.read_bytes() + bytes(8_000_000))
        return False

    server.before = before
    server.is_gzip = kind == "bomb"
    with HttpSource(server.address, limits=FAST) as source:
        (_, _, hashes) = next(source.tiles())
        assert isinstance(hashes, bytes)
        assert len(hashes) == 8_193  # one too many says that it is not what it should be
        assert len(rows(source)) == 1_500


def test_a_server_that_says_nothing_is_left(server: FileServer) -> None:
    def before(handler: http.server.BaseHTTPRequestHandler) -> bool:
        handler.rfile.read(1)  # until the client hangs up
        handler.close_connection = True
        return True

    server.before = before
    with pytest.raises(SourceError, match="timed out"):
        HttpSource(server.address, limits=HttpLimits(idle_seconds=0.05, attempts=1))


def test_it_is_opened_again_at_the_same_checkpoint(server: FileServer) -> None:
    with HttpSource(server.address, limits=FAST) as source:
        opener = pickle.loads(pickle.dumps(source.opener()))
    (server.folder / "checkpoint").unlink()
    with opener() as again:
        assert rows(again) == rows(again) != []
    context = ssl.create_default_context()
    write_tree(server.folder, ENTRIES)
    with HttpSource(server.address, context=context, limits=FAST) as source:
        assert source.opener() is None


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc",
        "ftp://127.0.0.1/",
        "http://",
        "nothing",
        "http://a@127.0.0.1/",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/?x=1",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SourceError):
        HttpSource(url)


def test_nobody_there_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot read http://127\.0\.0\.1"):
        HttpSource(f"http://127.0.0.1:{port}", limits=FAST)


def test_it_shows_a_certificate_where_the_server_asks_for_one(tmp_path: Path) -> None:
    domain = make_domain(tmp_path / "keys", SystemClock())
    write_tree(tmp_path / "tree", ENTRIES)
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asks.load_cert_chain(*domain.files(GATEWAY))
    asks.load_verify_locations(domain.ca)
    asks.verify_mode = ssl.CERT_REQUIRED
    ours = client_context(*domain.files(AUDITOR), domain.ca)
    bare = ssl.create_default_context(cafile=domain.ca)
    stranger = ssl.create_default_context()
    with serve_files(tmp_path / "tree", asks) as server:
        with HttpSource(server.address, context=ours, limits=FAST) as source:
            assert rows(source) == rows(FolderSource(tmp_path / "tree"))
        for context in (bare, stranger):
            with pytest.raises(SourceError, match="cannot read https://"):
                HttpSource(server.address, context=context, limits=FAST)
