"""`gateway audit export`, `prove` and `check-proof` over a log that a gateway wrote."""

import asyncio
import json
import shlex
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.clock import SystemClock
from gateway.errors import ConfigError
from gateway.transparency.errors import SourceError, UnsignedError
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.notes import Signer
from tests.fakes.file_server import serve_files
from tests.fakes.log import ORIGIN
from tests.fakes.pki import AUDITOR, GATEWAY, make_domain
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, stored_entries
from tests.fakes.trees import read_tree


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.db"
    asyncio.run(grow(path, 600))
    return path


async def grow(path: Path, count: int) -> None:
    engine = open_engine(path)
    log = await open_log(engine)
    await log.append([note(f"entry {at} é") for at in range(count)])
    await log.aclose()
    engine.dispose()


def call(line: str, *paths: Path) -> Result:
    words = [str(paths[int(word[1:])]) if word[:1] == "@" else word for word in shlex.split(line)]
    return CliRunner().invoke(app, ["audit", *words], catch_exceptions=True)


def test_an_export_grows_and_says_what_it_wrote(tmp_path: Path) -> None:
    database, folder = tmp_path / "log.db", tmp_path / "tree"
    asyncio.run(grow(database, 300))
    first = call(f"export @0 --database @1 --key {SIGNER.vkey}", folder, database)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith(f"{folder}: 301 entries of {ORIGIN}, 301 of them new: ")
    asyncio.run(grow(database, 10))
    value = json.loads(call("export @0 --database @1 --json", folder, database).stdout)
    assert value == {
        "folder": str(folder),
        "format": "tiles",
        "log": ORIGIN,
        "from_size": 301,
        "size": 311,
        "files": 2,
        "bytes": value["bytes"],
    }
    again = call("export @0 --database @1 --log @2", folder, database, Path(ORIGIN))
    assert again.stdout == f"{folder}: 311 entries of {ORIGIN}, nothing new.\n"
    assert FolderSource(folder).estimate_entries() == 311


@pytest.mark.parametrize("seq", [0, 1, 255, 256, 511, 600])
def test_a_proof_is_written_and_checked(database: Path, tmp_path: Path, seq: int) -> None:
    out = tmp_path / "one.tlog-proof"
    made = call(f"prove {seq} --database @0 --out @1", database, out)
    assert made.exit_code == 0, made.output
    assert [path.name for path in tmp_path.iterdir()] == ["one.tlog-proof"]
    checked = call(f"check-proof @0 --key {SIGNER.vkey}", out)
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.startswith(f"HOLDS: Entry {seq} stands in log {ORIGIN}")
    shown = call(f"check-proof @0 --key {SIGNER.vkey} --entry", out)
    engine = open_engine(database)
    assert shown.stdout_bytes == stored_entries(engine)[seq] + b"\n"
    engine.dispose()
    out.write_text(out.read_text().replace("index ", "index 1"))
    assert call(f"check-proof @0 --key {SIGNER.vkey}", out).exit_code == 1
    assert call("check-proof @0 --key none", out).exit_code == 2


@pytest.mark.parametrize(
    ("line", "error", "sentence"),
    [
        ("prove 5", ConfigError, "say where the log is"),
        ("prove 5 --database @0 --source @0", ConfigError, "say where the log is"),
        ("prove 601 --database @0", SourceError, "entry 601 is not under the newest checkpoint"),
        ("prove 5 --database @0 --log other", SourceError, "holds no log 'other'"),
        ("export @1 --database @0 --log other", SourceError, "holds no log 'other'"),
        ("export @1 --database @0 --key @2", UnsignedError, "no key that is known here"),
        ("prove 5 --database @0 --out @1/none/x", ConfigError, "cannot write"),
        ("export @1/none/x --format csv --database @0", ConfigError, "cannot write"),
        ("prove 5 --database @1/none.db", SourceError, "cannot read"),
        ("check-proof @0 --key k --json --entry", ConfigError, "do not go together"),
    ],
)
def test_what_cannot_be_done_is_said(
    database: Path, tmp_path: Path, line: str, error: type[Exception], sentence: str
) -> None:
    other = Signer(ORIGIN, Ed25519PrivateKey.generate()).vkey
    paths = [str(database), str(tmp_path), other]
    for at, path in enumerate(paths):
        line = line.replace(f"@{at}", path)
    result = CliRunner().invoke(app, ["audit", *line.split()])
    assert isinstance(result.exception, error), result.output
    assert sentence in str(result.exception)


def test_an_exported_tree_is_exported_and_proven_from_again(database: Path, tmp_path: Path) -> None:
    """From the folder, and from a server of it that asks for a certificate."""
    domain = make_domain(tmp_path / "keys", SystemClock())
    first = tmp_path / "first"
    assert call("export @0 --database @1", first, database).exit_code == 0
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asks.load_cert_chain(*domain.files(GATEWAY))
    asks.load_verify_locations(domain.ca)
    asks.verify_mode = ssl.CERT_REQUIRED
    certificate, key = domain.files(AUDITOR)
    with serve_files(first, asks) as server:
        tls = f"--ca {domain.ca} --certificate {certificate} --private-key {key}"
        for at, line in enumerate((f"--source {first}", f"--source {server.address} {tls}")):
            copy, out = tmp_path / f"copy-{at}", tmp_path / f"{at}.tlog-proof"
            made = call(f"export @0 {line}", copy)
            assert made.exit_code == 0, made.exception
            assert read_tree(copy) == read_tree(first)
            assert call(f"prove 300 {line} --out @0", out).exit_code == 0
            assert call(f"check-proof @0 --key {SIGNER.vkey}", out).exit_code == 0
