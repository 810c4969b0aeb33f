"""The body of `add-checkpoint`, parsed (tlog-witness, "add-checkpoint").

old <size>
<base64 hash>        zero to 63 lines
<empty line>
<checkpoint>
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import InputError
from gateway.transparency.merkle import HASH_BYTES

MAX_PROOF_LINES = 63
MAX_BODY_BYTES = 256 * 1024  # 63 lines and a note with a dozen post-quantum signatures

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """One submission; nothing in it is verified."""

    old_size: int
    proof: tuple[bytes, ...]
    unverified_note: str

    @property
    def origin(self) -> str:
        """The first line of the note: which log it says it is of."""
        return self.unverified_note.partition("\n")[0]


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Parse the body of a request; raises InputError."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InputError("the body is not UTF-8") from None
    head, blank, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if old is None or not blank:
        raise InputError("the body is `old <size>`, proof lines, an empty line and a checkpoint")
    if len(lines) > MAX_PROOF_LINES:
        raise InputError(f"there are at most {MAX_PROOF_LINES} proof lines")
    return AddCheckpoint(int(old[1]), tuple(_decode_hash(line) for line in lines), note)


def format_add_checkpoint(old_size: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body that submits `note` to a witness that knows the tree of `old_size`."""
    lines = [f"old {old_size}", *(base64.b64encode(step).decode() for step in proof), "", note]
    return "\n".join(lines).encode()


def _decode_hash(line: str) -> bytes:
    try:
        step = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        step = b""
    if len(step) != HASH_BYTES or base64.b64encode(step).decode() != line:
        raise InputError("a proof line is one hash of 32 bytes in base64")
    return step
