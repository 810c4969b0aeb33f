"""Tessera's fsck accepts what we export and serve, at sizes on every edge, and sees a change."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from gateway.audit.export import export_tree
from gateway.audit.sql_log import SqlLog
from gateway.identity.tls import client_context
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.http_source import HttpSource
from gateway.transparency.proof_file import verify_proof
from gateway.transparency.proving import prove_entry
from gateway.transparency.sqlite_source import SqliteSource
from tests.fakes.file_server import serve_files
from tests.fakes.live_gateway import LiveGateway, live_gateway, proposals
from tests.fakes.live_people import await_true
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log
from tests.interop.programs import part, said

SIZES = (1, 255, 256, 257, 70_000)
GROWN = 71_500
BATCH = 2_000
FSCK_SECONDS = 20.0


class GrowingLog:
    """A real log, in a database, that is brought to one size after another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def grow(self, size: int) -> None:
        asyncio.run(self._grow(size))

    async def _grow(self, size: int) -> None:
        engine = open_engine(self.path)
        log: SqlLog = await open_log(engine)
        try:
            have = 1 + (await log.append([note("size")]))[0].seq
            while have < size:
                count = min(BATCH, size - have)
                await log.append([note(f"entry {have + at} é") for at in range(count)])
                have += count
            assert have == size
        finally:
            await log.aclose()
            engine.dispose()


def fsck(address: str, folder: Path, vkey: str = SIGNER.vkey) -> tuple[bool, str]:
    """Whether Tessera's fsck is content, and what it said. Its exit status says nothing, and with
    one worker it may hang on what it does not like."""
    key = folder / "log.vkey"
    key.write_text(vkey)
    command = [str(part("fsck")), "--ui=false", "-N", "64", f"--storage_url={address}/"]
    command += [f"--public_key={key}", "--logtostderr"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=FSCK_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        return False, (error.stderr or b"").decode(errors="replace")
    return "Successfully fsck'd" in said(done), said(done)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[GrowingLog, Path]:
    """A log of the largest size, and its export, made from empty in steps."""
    folder = tmp_path_factory.mktemp("tlog")
    log = GrowingLog(folder / "log.db")
    with serve_files(folder) as server:
        for size in SIZES:
            if size > 1:
                log.grow(size)
            else:
                asyncio.run(open_and_close(log.path))
            with SqliteSource(log.path) as source:
                assert export_tree(source, folder / "tree", SIGNER.verifier).size == size
            is_content, output = fsck(f"{server.address}/tree", folder)
            assert is_content, f"at size {size}: {output}"
    return log, folder / "tree"


async def open_and_close(path: Path) -> None:
    """A log of one entry, `log.opened`."""
    engine = open_engine(path)
    await (await open_log(engine)).aclose()
    engine.dispose()


def test_each_size_is_accepted_and_so_is_the_grown_log(
    exported: tuple[GrowingLog, Path], tmp_path: Path
) -> None:
    log, tree = exported
    assert (tree / "tile/2/000.p/1").is_file()
    before = (tree / "tile/0/000").stat().st_mtime_ns
    log.grow(GROWN)
    with SqliteSource(log.path) as source:
        written = export_tree(source, tree, SIGNER.verifier)
    assert (written.from_size, written.size) == (SIZES[-1], GROWN)
    assert written.files < 20
    assert (tree / "tile/0/000").stat().st_mtime_ns == before
    with serve_files(tree) as server:
        is_content, output = fsck(server.address, tmp_path)
    assert is_content, output
    with FolderSource(tree) as source:
        assert sum(map(len, source.entries())) == GROWN
        assert source.tail_problem() is None


@pytest.mark.parametrize(
    "path", ["tile/0/007", "tile/1/000", "tile/2/000.p/1", "tile/entries/011", "checkpoint"]
)
def test_a_changed_file_is_seen(
    exported: tuple[GrowingLog, Path], tmp_path: Path, path: str
) -> None:
    _log, tree = exported
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy)
    data = bytearray((copy / path).read_bytes())
    data[20] ^= 1
    (copy / path).write_bytes(data)
    with serve_files(copy) as server:
        is_content, output = fsck(server.address, tmp_path)
    assert not is_content, output


@contextlib.contextmanager
def relay(source: HttpSource) -> Iterator[str]:
    """The tree of `source` for those who can show no certificate: plain HTTP on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = source.read(self.path.lstrip("/"), 2**24)
            body = b"" if data is None else data
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_live_gateway_serves_a_tree_that_is_accepted(tmp_path: Path) -> None:
    with live_gateway(tmp_path / "place") as gateway:
        collector = gateway.collector("c1")
        with gateway.client(collector) as client:
            for turn in range(300):
                asked = client.post("/v1/decisions", json=proposals([f"worker-{turn % 7}"]))
                assert asked.status_code == httpx.codes.OK
            assert client.get("/tlog/checkpoint").status_code == httpx.codes.FORBIDDEN
            assert client.get("/tlog/tile/entries/000").status_code == httpx.codes.FORBIDDEN
            await_true(
                lambda: gateway.checkpoint(client).size > 256, lambda: "not all of it is signed"
            )
        key = gateway.verifier
        with HttpSource(f"{gateway.workplace.url}/tlog", context=context_of(gateway)) as source:
            (tmp_path / "tree").mkdir()
            exported = export_tree(source, tmp_path / "tree", key)
            assert exported.size > 256
            proof = prove_entry(source, 7, key)
            assert verify_proof(proof, key).entry.seq == 7
            with relay(source) as address:
                is_content, output = fsck(address, tmp_path, key.vkey)
            assert is_content, output
    with serve_files(tmp_path / "tree") as server:
        is_content, output = fsck(server.address, tmp_path, key.vkey)
    assert is_content, output


def context_of(gateway: LiveGateway) -> ssl.SSLContext:
    """An auditor's TLS."""
    certificate, key = gateway.workplace.subject(gateway.enrol("auditor/dana"))
    return client_context(certificate, key, gateway.workplace.folder / "keys" / "ca.pem")
