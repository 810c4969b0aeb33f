"""A verifier in Go, over another's note and tree code, finds the same roots and signatures."""

import asyncio
import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.notes import Signer
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import note, open_engine, open_log, stored_entries
from tests.interop.programs import ROOT, find, run, said

SOURCE = Path(__file__).with_name("go_verifier")
SIZES = range(1, 41)

pytestmark = pytest.mark.skipif(find("go") is None, reason="no Go on this machine's PATH")


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = find("go")
    assert go is not None
    program = tmp_path_factory.mktemp("go") / "go_verifier"
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
    built = run(
        go, "build", "-mod=readonly", "-o", program, ".", cwd=SOURCE, environment=environment
    )
    assert built.returncode == 0, said(built)
    return program


def check(
    verifier: Path, folder: Path, vkey: str, checkpoint: str, entries: Sequence[bytes]
) -> tuple[int, str]:
    """Exit status and output of the Go verifier."""
    (folder / "vkey").write_text(vkey)
    (folder / "note").write_text(checkpoint, encoding="utf-8")
    (folder / "entries").write_bytes(
        b"".join(struct.pack(">I", len(entry)) + entry for entry in entries)
    )
    done = run(verifier, folder / "vkey", folder / "note", folder / "entries")
    return done.returncode, said(done).strip()


async def grow_log(path: Path, signer: Signer, sizes: range) -> dict[int, tuple[str, list[bytes]]]:
    """Checkpoint and entries at each size: a log signs what it holds whenever it is closed."""
    engine = open_engine(path)
    found: dict[int, tuple[str, list[bytes]]] = {}
    try:
        for size in sizes:
            log = await open_log(engine, signer=signer)
            if size > 1:
                await log.append([note(f"entry {size} é € \U0001f600")])
            await log.aclose()
            checkpoint = log.checkpoint()
            assert checkpoint is not None
            found[size] = (checkpoint, stored_entries(engine))
    finally:
        engine.dispose()
    return found


def test_every_checkpoint_of_a_growing_log_verifies(verifier: Path, tmp_path: Path) -> None:
    signer = Signer(ORIGIN, Ed25519PrivateKey.generate())
    found = asyncio.run(grow_log(tmp_path / "log.db", signer, SIZES))
    for size, (checkpoint, entries) in found.items():
        assert len(entries) == size
        root = open_checkpoint(checkpoint, signer.verifier).root.hex()
        assert check(verifier, tmp_path, signer.vkey, checkpoint, entries) == (0, f"{size} {root}")


def test_a_changed_entry_checkpoint_or_key_is_refused(verifier: Path, tmp_path: Path) -> None:
    signer = Signer(ORIGIN, Ed25519PrivateKey.generate())
    found = asyncio.run(grow_log(tmp_path / "log.db", signer, range(1, 4)))
    checkpoint, entries = found[3]
    changed = [entries[0], entries[1][:-1] + b" ", entries[2]]
    code, output = check(verifier, tmp_path, signer.vkey, checkpoint, changed)
    assert code == 1, output
    assert "root" in output
    code, output = check(verifier, tmp_path, signer.vkey, checkpoint, entries[:2])
    assert code == 1, output
    other = Signer(ORIGIN, Ed25519PrivateKey.generate())
    code, output = check(verifier, tmp_path, other.vkey, checkpoint, entries)
    assert code == 1, output
    forged = checkpoint.replace("\n3\n", "\n2\n", 1)
    code, output = check(verifier, tmp_path, signer.vkey, forged, entries[:2])
    assert code == 1, output


def test_the_vectors_checkpoint_verifies(verifier: Path, tmp_path: Path) -> None:
    vectors = json.loads((ROOT / "tests" / "vectors" / "transparency.json").read_text())
    entries = [bytes.fromhex(entry["bytes"]) for entry in vectors["entries"]]
    code, output = check(verifier, tmp_path, vectors["vkey"], vectors["checkpoint"], entries)
    assert (code, output) == (0, f"{len(entries)} {vectors['roots'][-1]}")
