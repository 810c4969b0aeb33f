"""The pack as its reader meets it: unpacked somewhere, checked with what is in it."""

import hashlib
import json
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from gateway.audit.errors import ExportError
from gateway.cli import app
from gateway.clock import parse_time
from gateway.pack.verifier import build_verifier
from gateway.pack.writing import Asked, Packed, write_pack
from gateway.transparency.errors import SourceError, UnsignedError
from gateway.transparency.notes import Verifier
from gateway.transparency.sqlite_source import SqliteSource
from tests.fakes.sql_logs import SIGNER, SIGNING_KEY, note, open_engine, open_log

NOW_US = parse_time("2026-03-01T10:00:00.000000Z")
ENTRIES = 300


@pytest.fixture
def database(tmp_path: Path) -> Path:
    import asyncio

    path = tmp_path / "log.db"
    engine = open_engine(path)

    async def fill() -> None:
        log = await open_log(engine)
        await log.append([note(f"n{number}") for number in range(ENTRIES - 1)])
        await log.aclose()

    asyncio.run(fill())
    engine.dispose()
    return path


def pack(database: Path, out: Path, asked: Asked, verifier: Verifier = SIGNER.verifier) -> Packed:
    with closing(SqliteSource(database)) as source:
        return write_pack(source, verifier, asked, out, NOW_US, {"author.pub": b"PEM"})


def unpack(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """As the page says, outside any checkout: nothing of ours but the file is importable."""
    command = [sys.executable, "-I", "verify.pyz", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_stranger_checks_the_pack_with_what_is_in_it(database: Path, tmp_path: Path) -> None:
    packed = pack(database, tmp_path / "evidence.zip", Asked(10, 12))
    assert (packed.entries, packed.rows, packed.proofs) == (ENTRIES, 3, 3)
    folder = unpack(packed.path, tmp_path / "unpacked")
    kept = tmp_path / "mine.checkpoint"
    kept.write_text((folder / "log" / "checkpoint").read_text())
    done = run(folder, "log", "--key", "keys/log.vkey", "--checkpoint", str(kept), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["verdict"] == "OK"
    done = run(folder, "log", "--key", "keys/log.vkey")
    assert done.returncode == 3, done.stdout
    done = run(folder, "proof", "proofs/11.tlog-proof", "--key", "keys/log.vkey")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Entry 11" in done.stdout


def test_a_changed_pack_does_not_verify(database: Path, tmp_path: Path) -> None:
    folder = unpack(pack(database, tmp_path / "e.zip", Asked(0, 5)).path, tmp_path / "unpacked")
    bundle = folder / "log" / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"n7"', b'"n8"'))
    kept = folder / "log" / "checkpoint"
    done = run(folder, "log", "--key", "keys/log.vkey", "--checkpoint", str(kept), "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (1, "TAMPERED")


def test_the_manifest_names_every_file(database: Path, tmp_path: Path) -> None:
    folder = unpack(pack(database, tmp_path / "e.zip", Asked(0, 5)).path, tmp_path / "unpacked")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "MANIFEST.json"
    }
    assert manifest == found
    assert {"READ-ME-FIRST.html", "keys/author.pub", "rows.csv", "verify.pyz"} <= manifest.keys()
    assert len((folder / "rows.csv").read_text().splitlines()) == 7


def test_the_page_says_what_must_come_from_elsewhere(database: Path, tmp_path: Path) -> None:
    folder = unpack(pack(database, tmp_path / "e.zip", Asked(0, 5)).path, tmp_path / "unpacked")
    page = (folder / "READ-ME-FIRST.html").read_text()
    assert SIGNER.vkey in page
    assert f"{ENTRIES} entries" in page
    assert "must not come from this pack" in page
    assert "<script" not in page


def test_nothing_is_left_when_it_cannot_be_made(database: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.zip"
    other = Verifier.from_public_key(SIGNER.name, bytes(31) + b"\x01")
    with pytest.raises(UnsignedError):
        pack(database, out, Asked(), other)
    with pytest.raises((SourceError, ExportError)):
        pack(database, out, Asked(5_000))
    assert not out.exists()
    assert not out.with_name("e.zip.part").exists()


def test_the_verifier_is_the_same_bytes_each_time() -> None:
    assert build_verifier() == build_verifier()


def test_the_command_tells_the_log_from_the_rows(database: Path, tmp_path: Path) -> None:
    key = SIGNING_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "checkpoint.key").write_bytes(key)
    (tmp_path / "checkpoint.key").chmod(0o600)
    (tmp_path / "bundle.pub").write_text("PEM")
    settings = tmp_path / "gateway.yaml"
    settings.write_text(
        "trust_domain: example.org\n"
        "tls: {certificate: a, key: b, ca: c}\n"
        f'log: {{origin: {SIGNER.name}, database: "sqlite:///{database}", '
        "checkpoint_key: checkpoint.key, region: eu-west-1}\n"
        "policies: {bundle: a, bundle_keys: [bundle.pub]}\n"
        "key_service: {age_identity: a}\n"
    )
    command = ["audit", "pack", str(tmp_path / "e.zip"), "--config", str(settings)]
    told = CliRunner().invoke(app, [*command, "--from", "10", "--to", "12"])
    assert told.exit_code == 0, told.exception
    said = f"e.zip: a log of {ENTRIES} entries, rows of 3 of them, 3 proofs, 0 policy bundles, "
    assert said in told.stdout
    told = CliRunner().invoke(app, [*command, "--json", "--from", "10", "--to", "12"])
    value = json.loads(told.stdout)
    assert (value["entries"], value["rows"], value["proofs"]) == (ENTRIES, 3, 3)
