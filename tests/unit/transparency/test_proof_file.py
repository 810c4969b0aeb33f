"""A proof file proves its entry alone, and nothing else."""

import base64
import json
import string
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.errors import VerificationError
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import leaf_hash
from gateway.transparency.errors import NoteError, ProofError, SourceError
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.merkle import inclusion_proof, node_reader, tree_root
from gateway.transparency.notes import Signer
from gateway.transparency.proof_file import (
    ProofFile,
    encode_proof,
    main,
    parse_proof,
    verify_proof,
)
from gateway.transparency.proving import prove_entry
from tests.fakes.blocked_imports import run_blocked
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER
from tests.fakes.trees import make_entries, write_tree

ENTRIES = make_entries(600)


def prove(index: int, size: int, signer: Signer = SIGNER) -> ProofFile:
    read_node = node_reader([leaf_hash(data) for data in ENTRIES[:size]])
    note = sign_checkpoint(size, tree_root(size, read_node), signer).note
    return ProofFile(ENTRIES[index], index, tuple(inclusion_proof(index, size, read_node)), note)


@pytest.mark.parametrize("size", [1, 2, 7, 256, 257, 600])
def test_every_proof_holds_and_reads_as_it_was_written(size: int) -> None:
    for index in {0, 1, size // 2, size - 1} & set(range(size)):
        proof = prove(index, size)
        assert parse_proof(encode_proof(proof)) == proof
        proven = verify_proof(proof, SIGNER.verifier)
        assert (proven.entry.seq, proven.checkpoint.size) == (index, size)


def test_the_text_is_as_the_specification_says() -> None:
    lines = encode_proof(prove(2, 3)).split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + base64.b64encode(ENTRIES[2]).decode()
    assert lines[2] == "index 2"
    assert len(base64.b64decode(lines[3])) == 32
    assert lines[4:7] == ["", ORIGIN, "3"]


TEXT = encode_proof(prove(5, 300))
LINES = TEXT.split("\n")


def edit(at: int, line: str | None) -> str:
    changed = [*LINES]
    changed[at : at + 1] = [] if line is None else [line]
    return "\n".join(changed)


def loosen(encoded: str) -> str:
    """Another spelling of the same 32 bytes: two bits of the last letter are nobody's."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    loose = f"{encoded[:-2]}{letters[letters.index(encoded[-2]) + 1]}="
    assert base64.b64decode(loose) == base64.b64decode(encoded)
    return loose


BROKEN = {
    "another entry": edit(1, "extra " + base64.b64encode(ENTRIES[6]).decode()),
    "another index": edit(2, "index 6"),
    "index with a zero": edit(2, "index 05"),
    "index with a sign": edit(2, "index +5"),
    "no index": edit(2, None),
    "no entry": edit(1, None),
    "a hash left out": edit(3, None),
    "a hash twice": edit(3, f"{LINES[3]}\n{LINES[3]}"),
    "a hash changed": edit(3, base64.b64encode(bytes(32)).decode()),
    "a short hash": edit(3, base64.b64encode(bytes(31)).decode()),
    "no base64": edit(3, "~" * 44),
    "loose base64": edit(3, loosen(LINES[3])),
    "another version": edit(0, "c2sp.org/tlog-proof@v2"),
    "carriage returns": TEXT.replace("\n", "\r\n"),
    "another size": TEXT.replace("\n300\n", "\n301\n"),
    "no signature": TEXT[: TEXT.rindex("\n\n") + 2],
    "no checkpoint": TEXT[: TEXT.index("\n\n")],
    "empty": "",
    "a path without end": edit(3, "\n".join([LINES[3]] * 64)),
    "a huge index": edit(2, f"index {2**63}"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_changed_file_does_not_hold(what: str) -> None:
    assert BROKEN[what] != TEXT
    with pytest.raises(VerificationError):
        verify_proof(parse_proof(BROKEN[what]), SIGNER.verifier)


def test_a_proof_under_another_logs_or_keys_checkpoint_does_not_hold() -> None:
    for name in (ORIGIN, "other.example/log"):
        stranger = Signer(name, Ed25519PrivateKey.generate())
        with pytest.raises(NoteError):
            verify_proof(prove(5, 300, stranger), SIGNER.verifier)


def test_bytes_that_say_another_place_or_log_are_refused_although_the_tree_has_them() -> None:
    other = Signer("other.example/log", Ed25519PrivateKey.generate())
    for data, index in ((ENTRIES[7], 0), (make_entries(1, other)[0], 0), (b"no entry", 0)):
        note = sign_checkpoint(1, leaf_hash(data), SIGNER).note
        with pytest.raises(VerificationError):
            verify_proof(ProofFile(data, index, (), note), SIGNER.verifier)


@pytest.mark.parametrize("size", [1, 256, 300, 600])
def test_a_folder_proves_any_of_its_entries(tmp_path: Path, size: int) -> None:
    write_tree(tmp_path, ENTRIES[:size])
    with FolderSource(tmp_path) as source:
        for index in {*range(0, size, 37), *range(250, 262), 511, 512, size - 1} & {*range(size)}:
            assert prove_entry(source, index, SIGNER.verifier) == prove(index, size)
        with pytest.raises(SourceError, match="not under the newest checkpoint"):
            prove_entry(source, size)


def test_nothing_is_proven_that_does_not_lead_to_the_root(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES)
    tile = tmp_path / "tile/0/000"
    good = tile.read_bytes()
    tile.write_bytes(good[:-1] + b"\x00")
    with FolderSource(tmp_path) as source, pytest.raises(ProofError):
        prove_entry(source, 254)
    tile.unlink()  # the entries themselves say as much
    with FolderSource(tmp_path) as source:
        assert prove_entry(source, 254) == prove(254, 600)
    level_one = tmp_path / "tile/1/000.p/2"
    level_one.write_bytes(level_one.read_bytes()[:32])
    with FolderSource(tmp_path) as source, pytest.raises(ProofError, match="cut short"):
        prove_entry(source, 599)
    level_one.unlink()
    with FolderSource(tmp_path) as source, pytest.raises(SourceError, match="of level 1 is not"):
        prove_entry(source, 599)
    tile.write_bytes(good)
    (tmp_path / "tile/entries/000").unlink()
    with FolderSource(tmp_path) as source, pytest.raises(SourceError, match="purged, or is missi"):
        prove_entry(source, 254)


def test_the_command_shows_the_entry_and_says_by_its_exit_code_what_it_found(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "five.tlog-proof"
    path.write_text(TEXT)
    key = tmp_path / "key.vkey"
    key.write_text(SIGNER.vkey)
    assert main([str(path), "--key", SIGNER.vkey]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert shown.startswith(f"HOLDS: Entry 5 stands in log {ORIGIN}, under the signed checkpoint ")
    assert "test.note" in shown
    assert main([str(path), "--key", str(key), "--entry"]) == 0
    assert capsysbinary.readouterr().out == ENTRIES[5] + b"\n"
    assert main([str(path), "--key", str(key), "--json"]) == 0
    value = json.loads(capsysbinary.readouterr().out)
    assert (value["seq"], value["size"], value["body"]) == (5, 300, {"note": "entry 5"})
    path.write_text(BROKEN["another entry"])
    assert main([str(path), "--key", str(key)]) == 1
    assert b"DOES NOT HOLD: the inclusion proof" in capsysbinary.readouterr().err
    path.write_bytes(b"\xff")
    assert main([str(path), "--key", str(key)]) == 2
    assert main([str(tmp_path / "none"), "--key", str(key)]) == 2
    path.write_text(TEXT)
    assert main([str(path), "--key", "nothing"]) == 2


NO_PROOFS = {
    "index with a zero",
    "index with a sign",
    "no index",
    "no entry",
    "a short hash",
    "no base64",
    "loose base64",
    "another version",
    "carriage returns",
    "no checkpoint",
    "empty",
    "a path without end",
    "a huge index",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_no_proof_says_nothing_and_a_proof_that_is_broken_does_not_hold(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "five.tlog-proof"
    path.write_bytes(BROKEN[what].encode())
    code = main([str(path), "--key", SIGNER.vkey])
    told = capsys.readouterr().err
    if what in NO_PROOFS:
        assert (code, told.startswith(f"COULD NOT CHECK: {path} is no proof: ")) == (2, True), told
    else:
        assert (code, told.startswith("DOES NOT HOLD: ")) == (1, True), told


def test_a_proof_whose_checkpoint_is_any_text_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "five.tlog-proof"
    path.write_text(TEXT[: TEXT.index("\n\n") + 2] + "Dear auditor,\n")
    assert main([str(path), "--key", SIGNER.vkey]) == 2
    assert "is no proof" in capsys.readouterr().err


def test_it_verifies_with_cryptography_alone(tmp_path: Path) -> None:
    path = tmp_path / "five.tlog-proof"
    path.write_text(TEXT)
    code = "import sys; from gateway.transparency.proof_file import main; sys.exit(main())"
    allowed = ("gateway", "cryptography", "_cffi_backend", "cffi")
    done = run_blocked(code, allowed, [str(path), "--key", SIGNER.vkey])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("HOLDS: Entry 5")
