"""Checkpoints: the signed head of a log's tree (https://c2sp.org/tlog-checkpoint)."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.transparency.errors import NoteError
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
    lines = open_note(note, [verifier]).text.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has at least the lines origin, size and root")
    origin, size_text, root_text = lines[:3]
    if origin != verifier.name:
        raise NoteError(f"the checkpoint is of log {origin[:80]!r}, the key of {verifier.name!r}")
    return Checkpoint(origin, _parse_size(size_text), _parse_root(root_text), note)


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
