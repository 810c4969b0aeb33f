"""A proof that one entry stands in a log, complete in one file (https://c2sp.org/tlog-proof).

c2sp.org/tlog-proof@v1
extra <base64 of the entry's bytes>
index <its sequence number>
<base64 of a hash of the audit path>        from the leaf's sibling up, one a line
<empty line>
<the checkpoint>

python -m gateway.transparency.proof_file FILE --key VKEY
"""

import argparse
import base64
import binascii
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.canonical import Value
from gateway.clock import format_time
from gateway.errors import VerificationError
from gateway.transparency.checkpoint import (
    MAX_SIZE,
    Checkpoint,
    open_checkpoint,
    read_unverified_checkpoint,
)
from gateway.transparency.entry import HASH_BYTES, MAX_ENTRY_BYTES, Entry, leaf_hash, parse_entry
from gateway.transparency.errors import NoteError, ProofError, SourceError
from gateway.transparency.merkle import verify_inclusion
from gateway.transparency.notes import MAX_NOTE_BYTES, Verifier
from gateway.transparency.report import printable, read_key

ENDING = ".tlog-proof"
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 200_000
MAX_PATH = 63  # the height of the largest tree

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_HOLDS, _DOES_NOT_HOLD, _COULD_NOT_CHECK = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ProofFile:
    """What a file claims: that entry number `index` is `data`, by `path` (hashes of 32 bytes, from
    the leaf up) under the checkpoint in `note`."""

    data: bytes
    index: int
    path: tuple[bytes, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry that stands in the log that the checkpoint is of."""

    entry: Entry
    checkpoint: Checkpoint

    @property
    def sentence(self) -> str:
        """What is proven, in words."""
        return (
            f"Entry {self.entry.seq} stands in log {self.checkpoint.origin}, under the signed "
            f"checkpoint of {self.checkpoint.size} entries."
        )

    def as_value(self) -> dict[str, Value]:
        """For --json."""
        return {
            "holds": True,
            "log": self.checkpoint.origin,
            "size": self.checkpoint.size,
            "seq": self.entry.seq,
            "time": format_time(self.entry.time_us),
            "type": self.entry.type,
            "actor": self.entry.actor,
            "body": self.entry.body,
        }


def encode_proof(proof: ProofFile) -> str:
    """The text of the file."""
    lines = [_FIRST_LINE, f"extra {_base64(proof.data)}", f"index {proof.index}"]
    lines += [_base64(step) for step in proof.path]
    return "\n".join(lines) + "\n\n" + proof.note


def parse_proof(text: str) -> ProofFile:
    """The claims of a file; raises ProofError for a text of any other form, and for one without the
    entry's bytes, which alone prove nothing about an entry."""
    head, empty_line, note = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != _FIRST_LINE:
        raise ProofError(f"a proof begins with the line {_FIRST_LINE}")
    if not empty_line or len(lines) < 3 or not lines[1].startswith("extra "):
        raise ProofError("the proof has not its lines extra and index, an empty one, a checkpoint")
    if len(lines) - 3 > MAX_PATH:
        raise ProofError(f"the audit path is longer than {MAX_PATH} hashes")
    data = _decode(lines[1].removeprefix("extra "), "the entry")
    if len(data) > MAX_ENTRY_BYTES:
        raise ProofError(f"the entry has {len(data)} bytes, the limit is {MAX_ENTRY_BYTES}")
    path = tuple(_decode(line, "the audit path") for line in lines[3:])
    if any(len(step) != HASH_BYTES for step in path):
        raise ProofError("the audit path is made of hashes of 32 bytes")
    return ProofFile(data, _parse_index(lines[2]), path, note)


def verify_proof(proof: ProofFile, verifier: Verifier) -> Proven:
    """The entry, once it is proven to stand in the verifier's log at its own place; raises
    VerificationError (NoteError, ProofError, EntryError) that says what does not hold."""
    checkpoint = open_checkpoint(proof.note, verifier)
    verify_inclusion(
        leaf_hash(proof.data), proof.index, checkpoint.size, proof.path, checkpoint.root
    )
    entry = parse_entry(proof.data)
    if entry.seq != proof.index or entry.origin != checkpoint.origin:
        raise ProofError(
            f"the bytes at place {proof.index} of log {checkpoint.origin} say that they are entry "
            f"{entry.seq} of log {entry.origin[:80]!r}"
        )
    return Proven(entry, checkpoint)


def read_proof(path: Path) -> ProofFile:
    """The claims of a file; raises SourceError when it cannot be read or is no proof, which says
    nothing about an entry, neither way."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PROOF_BYTES + 1)
        if len(data) > MAX_PROOF_BYTES:
            raise SourceError(f"the proof {path} is larger than {MAX_PROOF_BYTES} bytes")
        proof = parse_proof(data.decode())
        read_unverified_checkpoint(proof.note)
        return proof
    except OSError as error:
        raise SourceError(f"cannot read the proof {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"the proof {path} is not a text file") from None
    except (ProofError, NoteError) as error:
        raise SourceError(f"{path} is no proof: {error}") from None


def describe(proven: Proven) -> list[tuple[str, str]]:
    """The entry's fields as (label, text) for people."""
    entry = proven.entry
    return [
        ("log", printable(proven.checkpoint.origin)),
        ("entry", str(entry.seq)),
        ("time", format_time(entry.time_us)),
        ("type", printable(entry.type)),
        ("actor", printable(entry.actor)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one proof file, offline, and show its entry; gives the exit code."""
    options = _parser().parse_args(arguments)
    try:
        verifier, proof = read_key(options.key), read_proof(options.file)
    except VerificationError as error:
        return _fail(f"COULD NOT CHECK: {error}", _COULD_NOT_CHECK)
    try:
        proven = verify_proof(proof, verifier)
    except VerificationError as error:
        return _fail(f"DOES NOT HOLD: {error}", _DOES_NOT_HOLD)
    if options.entry:
        sys.stdout.buffer.write(proof.data + b"\n")
    elif options.json:
        sys.stdout.write(json.dumps(proven.as_value()) + "\n")
    else:
        lines = [f"HOLDS: {printable(proven.sentence)}"]
        lines += [f"  {label + ':':<8}{text}" for label, text in describe(proven)]
        sys.stdout.write("\n".join(lines) + "\n")
    return _HOLDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway.transparency.proof_file",
        description="Verify that one entry stands in a log, offline, from its proof file alone.",
        epilog="exit codes: 0 it holds; 1 it is a proof and does not hold; 2 it could not be "
        "checked: no proof, no key, or not to be read",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help=f"a {ENDING} file")
    parser.add_argument("--key", required=True, metavar="VKEY", help="verifier key, or its file")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--entry", action="store_true", help="write the entry's own bytes")
    shown.add_argument("--json", action="store_true", help="write the result as JSON")
    return parser


def _fail(sentence: str, code: int) -> int:
    sys.stderr.write(printable(sentence) + "\n")
    return code


def _parse_index(line: str) -> int:
    text = line.removeprefix("index ")
    is_number = text.isascii() and text.isdigit() and len(text) <= 19
    if text == line or not is_number or str(int(text)) != text or int(text) > MAX_SIZE:
        raise ProofError("the line index holds a decimal number without leading zeros")
    return int(text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(encoded: str, what: str) -> bytes:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or _base64(data) != encoded:  # one spelling only
        raise ProofError(f"{what} does not stand there in base64")
    return data


if __name__ == "__main__":
    sys.exit(main())
