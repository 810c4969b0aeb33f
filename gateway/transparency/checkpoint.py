"""Checkpoints: the signed head of a log's tree (https://c2sp.org/tlog-checkpoint)."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.transparency.errors import NoteError, SignatureError, UnsignedError
from gateway.transparency.merkle import HASH_BYTES
from gateway.transparency.notes import Signer, Verifier, open_note, sign_note

MAX_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head that its log signed: `size` entries under `root` (32 bytes); `note` is the proof."""

    origin: str
    size: int
    root: bytes
    note: str


def sign_checkpoint(
    size: int, root: bytes, signer: Signer, cosigners: Sequence[Signer] = ()
) -> Checkpoint:
    """A checkpoint of the log that the signer is named after; raises NoteError."""
    if not 0 <= size <= MAX_SIZE or len(root) != HASH_BYTES:
        raise NoteError("a checkpoint has a size from 0 and a root of 32 bytes")
    text = f"{signer.name}\n{size}\n{base64.b64encode(root).decode()}\n"
    return Checkpoint(signer.name, size, root, sign_note(text, [signer, *cosigners]))


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint of a note that `verifier` signed; other signatures and extension lines are
    let pass.

    A log's key is named after the log's origin, so one key can never vouch for another log. Raises
    NoteError, SignatureError or UnsignedError.
    """
    opened = _parse(open_note(note, [verifier]).text, note)
    if opened.origin != verifier.name:
        raise NoteError(
            f"the checkpoint is of log {opened.origin[:80]!r}, the key of {verifier.name!r}"
        )
    return opened


def read_unverified_checkpoint(note: str) -> Checkpoint:
    """What a note says, whoever signed it, if anybody did; raises NoteError when it has not the
    form of a checkpoint. Believe nothing of it before `open_checkpoint`."""
    text, empty_line, _ = note.partition("\n\n")
    if not empty_line:
        raise NoteError("a note is a text, an empty line and signature lines")
    return _parse(text + "\n", note)


def _parse(text: str, note: str) -> Checkpoint:
    lines = text.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has at least the lines origin, size and root")
    origin, size_text, root_text = lines[:3]
    return Checkpoint(origin, _parse_size(size_text), _parse_root(root_text), note)


def open_checkpoint_by_any(note: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """As open_checkpoint, for a log that may have changed its key; raises as the last key found
    it."""
    problem: NoteError = UnsignedError("no key that is known here signed the note")
    for verifier in verifiers:
        try:
            return open_checkpoint(note, verifier)
        except (SignatureError, UnsignedError) as error:
            problem = error
    raise problem


def _parse_size(text: str) -> int:
    # The length first: int() takes other digits, signs and underscores, and long texts slowly.
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or str(int(text)) != text:
        raise NoteError("the size of a checkpoint is a decimal number without leading zeros")
    if int(text) > MAX_SIZE:
        raise NoteError("the size of a checkpoint is past 2^63-1")
    return int(text)


def _parse_root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        root = b""
    if len(root) != HASH_BYTES or base64.b64encode(root).decode() != text:
        raise NoteError("the root of a checkpoint is 32 bytes in base64")
    return root
