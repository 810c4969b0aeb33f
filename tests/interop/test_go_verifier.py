"""A verifier in Go, over another's note and tree code, finds the same roots and signatures, and
holds the vectors and exported trees to docs/formats.md on its own reading of it."""

import asyncio
import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.export import export_tree
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.notes import Signer
from gateway.transparency.sqlite_source import SqliteSource
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import note, open_engine, open_log, stored_entries
from tests.interop.programs import find, run, said
from tests.vectors.files import FILES, FOLDER

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


def test_the_vectors_hold(verifier: Path) -> None:
    done = run(verifier, "vectors", FOLDER)
    assert (done.returncode, said(done).strip()) == (0, "1222 vectors")


CHANGES = {
    "canonical.json": ('"canonical": "7b', '"canonical": "5b'),
    "commitments.json": ('"mark": "', '"mark": "00'),
    "entries.json": ('"leaf_hash": "', '"leaf_hash": "00'),
    "notes.json": ('"root": "', '"root": "00'),
    "proof-files.json": ("index 3", "index 4"),
    "proofs.json": ('"hashes": ["', '"hashes": ["00'),
    "tiles.json": ('"path": "tile/0/x001/000"', '"path": "tile/0/x001/001"'),
    "tree.json": ('"hash": "', '"hash": "00'),
}


@pytest.mark.parametrize("name", FILES)
def test_a_changed_vector_does_not_hold(verifier: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "vectors")
    path = tmp_path / "vectors" / name
    text = path.read_text(encoding="utf-8")
    changed = text.replace(*CHANGES[name], 1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    done = run(verifier, "vectors", tmp_path / "vectors")
    assert done.returncode == 1, said(done)
    assert "does not hold" in said(done)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real log, exported at 301 and at 701 entries, and its key beside the tree."""
    folder = tmp_path_factory.mktemp("tree")
    signer = Signer(ORIGIN, Ed25519PrivateKey.generate())
    (folder / "vkey").write_text(signer.vkey)
    for count in (300, 400):
        asyncio.run(append_notes(folder / "log.db", signer, count))
        with SqliteSource(folder / "log.db") as source:
            export_tree(source, folder / "tree", signer.verifier)
    return folder


async def append_notes(path: Path, signer: Signer, count: int) -> None:
    engine = open_engine(path)
    log = await open_log(engine, signer=signer)
    await log.append([note(f"entry {at} é € \U0001f600") for at in range(count)])
    await log.aclose()
    engine.dispose()


def test_an_exported_tree_holds(verifier: Path, tree: Path) -> None:
    with FolderSource(tree / "tree") as source:
        root = source.head.root.hex()
    done = run(verifier, "tree", tree / "tree", tree / "vkey")
    assert (done.returncode, said(done).strip()) == (0, f"701 {root}")


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/000", "tile/0/002.p/189", "tile/0/001.p/45", "tile/1/000.p/2", "checkpoint"),
        *("tile/entries/000", "tile/entries/002.p/189"),
    ],
)
def test_a_changed_tree_does_not_hold(
    verifier: Path, tree: Path, tmp_path: Path, path: str
) -> None:
    shutil.copytree(tree / "tree", tmp_path / "tree")
    data = bytearray((tmp_path / "tree" / path).read_bytes())
    data[24] ^= 1
    (tmp_path / "tree" / path).write_bytes(data)
    done = run(verifier, "tree", tmp_path / "tree", tree / "vkey")
    assert done.returncode == 1, said(done)
