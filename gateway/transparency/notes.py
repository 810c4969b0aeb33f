"""Signed notes with Ed25519 (https://c2sp.org/signed-note).

<text, each line ended by a newline>
<empty line>
— <key name> <base64(key id[4] ‖ signature[64])>
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.transparency.errors import NoteError, SignatureError, UnsignedError

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100

_KEY_ID_BYTES = 4
_MARK = "— "


class KnownKey(Protocol):
    """A public key of any signature type."""

    @property
    def name(self) -> str:
        """The key's name."""

    @property
    def key_id(self) -> bytes:
        """4 bytes; with the name they tie a signature line to the key."""

    def verify(self, text: str, signature: bytes) -> None:
        """Raises SignatureError unless this key made `signature` for the note's text."""


K = TypeVar("K", bound=KnownKey)


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A named Ed25519 public key for one type of signature, `KIND` (1 byte). `key_id` ties a
    signature line to it."""

    KIND: ClassVar[bytes]
    KIND_NAME: ClassVar[str]

    name: str
    public_key: bytes
    key_id: bytes
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_public_key(cls, name: str, public_key: bytes) -> Self:
        """From the 32 bytes of an Ed25519 public key; raises NoteError."""
        _check_name(name)
        try:
            key = Ed25519PublicKey.from_public_bytes(public_key)
        except ValueError:
            raise NoteError(f"the key of {name} is not an Ed25519 public key") from None
        digest = hashlib.sha256(name.encode() + b"\n" + cls.KIND + public_key).digest()
        return cls(name, public_key, digest[:_KEY_ID_BYTES], key)

    @classmethod
    def from_vkey(cls, text: str) -> Self:
        """From `<name>+<hex key id>+<base64(KIND ‖ public key)>`; raises NoteError, for another
        type than KIND, too."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteError("a verifier key looks like <name>+<key id>+<base64>")
        name, key_id, encoded = parts
        blob = _decode(encoded, "the verifier key")
        if blob[:1] != cls.KIND:
            raise NoteError(f"the verifier key of {name[:80]!r} is not of type {cls.KIND_NAME}")
        key = cls.from_public_key(name, blob[1:])
        if key.key_id.hex() != key_id:
            raise NoteError(f"the key id of {name[:80]!r} does not belong to its key")
        return key

    @property
    def vkey(self) -> str:
        """The one-line text of this key."""
        encoded = base64.b64encode(self.KIND + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Verifier(NamedKey):
    """The public key of whoever signs notes: a log, mostly."""

    KIND = b"\x01"
    KIND_NAME = "Ed25519"

    def verify(self, text: str, signature: bytes) -> None:
        """Raises SignatureError unless this key made `signature` over the UTF-8 of `text`."""
        try:
            self._key.verify(signature, text.encode())
        except InvalidSignature:
            raise SignatureError(f"the signature of {self.name} does not match the text") from None


class Signer:
    """A named private key."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier.from_public_key(name, key.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        """The key's name; of a log's key, the log's origin."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The verifier key that goes with it."""
        return self.verifier.vkey

    def sign(self, text: str) -> bytes:
        """The 64 bytes of the signature over the UTF-8 of `text`."""
        return self._key.sign(text.encode())


@dataclass(frozen=True)
class Note(Generic[K]):
    """An opened note: its text (with the last newline) and the known keys that signed it."""

    text: str
    signers: tuple[K, ...]


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature as it stands, unverified."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """The line with its newline."""
        blob = base64.b64encode(self.key_id + self.signature).decode()
        return f"{_MARK}{self.name} {blob}\n"


def short_vkey(vkey: str) -> str:
    """`<name>+<key id>`: enough to tell keys apart. What follows is base64, which has `+`, too."""
    return "+".join(vkey.split("+", 2)[:2])


def sign_note(text: str, signers: Sequence[Signer]) -> str:
    """The note of `text`, signed by each signer in order; raises NoteError for a bad text."""
    _check_text(text)
    lines = (SignatureLine(by.name, by.verifier.key_id, by.sign(text)).text for by in signers)
    return text + "\n" + "".join(lines)


def open_note(note: str, verifiers: Sequence[K]) -> Note[K]:
    """The note's text, once at least one of `verifiers` signed it and none of them wrongly.

    Signatures of other keys are ignored, whatever their type. Raises NoteError (malformed),
    SignatureError (a known key's signature is wrong) or UnsignedError (no known key).
    """
    text, lines = split_note(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    signers: dict[K, None] = {}
    for line in lines:
        verifier = known.get((line.name, line.key_id))
        if verifier is not None:
            verifier.verify(text, line.signature)
            signers[verifier] = None
    if not signers:
        raise UnsignedError("no key that is known here signed the note")
    return Note(text, tuple(signers))


def split_note(note: str) -> tuple[str, list[SignatureLine]]:
    """The text and the signature lines, with nothing verified; raises NoteError."""
    # Each character is at least a byte, so the cheap test comes before the encoding.
    if len(note) > MAX_NOTE_BYTES or len(note.encode(errors="replace")) > MAX_NOTE_BYTES:
        raise NoteError(f"a note has at most {MAX_NOTE_BYTES} bytes")
    split = note.rfind("\n\n")
    if split < 0 or not note.endswith("\n"):
        raise NoteError("a note is a text, an empty line and signature lines")
    text, lines = note[: split + 1], note[split + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    _check_text(text)
    return text, [parse_signature(line) for line in lines]


def parse_signature(line: str) -> SignatureLine:
    """A signature line without its newline; raises NoteError."""
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space:
        raise NoteError("a signature line looks like — <name> <base64>")
    _check_name(name)
    blob = _decode(encoded, "a signature line")
    if len(blob) <= _KEY_ID_BYTES:
        raise NoteError("a signature line is too short")
    return SignatureLine(name, blob[:_KEY_ID_BYTES], blob[_KEY_ID_BYTES:])


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends with a newline")
    if any(char < " " and char != "\n" for char in text):
        raise NoteError("the text of a note holds a control character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoteError("the text of a note holds a lone surrogate") from None


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise NoteError("a key name is not empty and has no space and no plus")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise NoteError("a key name holds a lone surrogate") from None


def _decode(encoded: str, place: str) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    # One spelling only: base64 lets unused bits of the last character differ.
    if not blob or base64.b64encode(blob).decode() != encoded:
        raise NoteError(f"{place} does not hold base64")
    return blob
