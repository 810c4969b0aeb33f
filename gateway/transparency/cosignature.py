"""Cosignatures of witnesses: Ed25519 `cosignature/v1` (https://c2sp.org/tlog-cosignature).

A signature line whose bytes are key id[4] ‖ time[8, big-endian POSIX seconds] ‖ Ed25519[64] over

cosignature/v1
time <seconds>
<the note's text>
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.transparency.errors import NoteError, SignatureError
from gateway.transparency.notes import (
    MAX_SIGNATURES,
    NamedKey,
    SignatureLine,
    parse_signature,
    split_note,
)

MAX_TIME_SECONDS = 2**63 - 1
SIGNATURE_BYTES = 8 + 64

_TIME = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class CosignatureVerifier(NamedKey):
    """A witness's public key. One key belongs to one witness only: the name is not signed."""

    KIND = b"\x04"
    KIND_NAME = "Ed25519 cosignature/v1 (0x04)"

    def verify(self, text: str, signature: bytes) -> None:
        """Raises SignatureError unless `signature` (72 bytes) is this key's over the note's text
        at the time that it names."""
        time_seconds = time_of(signature)
        try:
            self._key.verify(signature[_TIME.size :], _message(text, time_seconds))
        except InvalidSignature:
            raise SignatureError(
                f"the cosignature of {self.name} does not match the text"
            ) from None


class Cosigner:
    """A witness's private key."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes_raw()
        self.verifier = CosignatureVerifier.from_public_key(name, public)

    def cosign(self, text: str, time_seconds: int) -> str:
        """The signature line (with its newline) that says: at this time, of this log, this is the
        largest consistent tree that I have seen. `text` is the checkpoint's, with its last newline.
        """
        if not 0 <= time_seconds <= MAX_TIME_SECONDS:
            raise NoteError("the time of a cosignature lies between 0 and 2^63-1 seconds")
        signed = self._key.sign(_message(text, time_seconds))
        signature = _TIME.pack(time_seconds) + signed
        return SignatureLine(self.verifier.name, self.verifier.key_id, signature).text


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's word, verified: it held the checkpoint to its history at `time_seconds`
    (POSIX)."""

    verifier: CosignatureVerifier
    time_seconds: int


def time_of(signature: bytes) -> int:
    """When a cosignature says that it was made, in POSIX seconds; raises SignatureError."""
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"a cosignature has {SIGNATURE_BYTES} bytes after its key id")
    (time_seconds,) = _TIME.unpack(signature[: _TIME.size])
    if time_seconds > MAX_TIME_SECONDS:
        raise SignatureError("the time of a cosignature is past 2^63-1")
    return int(time_seconds)


def open_cosignatures(
    note: str, verifiers: Sequence[CosignatureVerifier]
) -> tuple[Cosignature, ...]:
    """The cosignatures of known witnesses, the newest of each, in the note's order; signatures of
    other keys are let pass.

    Says nothing of the log's own signature: open_checkpoint does. Raises NoteError (malformed) or
    SignatureError (a known witness's is wrong, so the text or the line was changed).
    """
    text, lines = split_note(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    found: dict[CosignatureVerifier, int] = {}
    for line in lines:
        verifier = known.get((line.name, line.key_id))
        if verifier is not None:
            verifier.verify(text, line.signature)
            found[verifier] = max(found.get(verifier, 0), time_of(line.signature))
    return tuple(Cosignature(*item) for item in found.items())


def verify_cosignatures(
    text: str, answer: str, verifier: CosignatureVerifier
) -> tuple[SignatureLine, ...]:
    """The lines of a witness's answer that are `verifier`'s over the checkpoint's text; those of
    other keys are ignored (tlog-witness). Raises NoteError, or SignatureError for a wrong one."""
    if not answer.endswith("\n"):
        raise NoteError("a witness answers with signature lines, each ended by a newline")
    lines = answer[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a witness answers with at most {MAX_SIGNATURES} signatures")
    ours = []
    for line in map(parse_signature, lines):
        if (line.name, line.key_id) == (verifier.name, verifier.key_id):
            verifier.verify(text, line.signature)
            ours.append(line)
    return tuple(ours)


def add_signatures(note: str, lines: Iterable[SignatureLine]) -> str:
    """The note with more signature lines, unverified; one that has a key's name and id already
    gives way to the newer. Raises NoteError."""
    text, standing = split_note(note)
    merged = {(line.name, line.key_id): line for line in standing}
    merged.update({(line.name, line.key_id): line for line in lines})
    return text + "\n" + "".join(line.text for line in merged.values())


def _message(text: str, time_seconds: int) -> bytes:
    return f"cosignature/v1\ntime {time_seconds}\n{text}".encode()
