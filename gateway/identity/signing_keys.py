"""Making the keys that are not certificates: note signing keys and the age identity."""

from pathlib import Path

import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.clock import format_time
from gateway.errors import ConfigError
from gateway.identity.key_files import NewFile
from gateway.transparency.errors import NoteError
from gateway.transparency.notes import Signer


def create_note_key_files(stem: str, what: str, name: str) -> list[NewFile]:
    """`<stem>.key` (Ed25519, PKCS #8 PEM) and `<stem>.vkey` (the verifier key of docs/formats.md
    section 9, one line), for signing notes as `name`. Raises ConfigError for a name that no note
    can carry."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        vkey = Signer(name, key).vkey
    except NoteError as error:
        raise ConfigError(f"{name[:80]!r} cannot name {what}: {error}") from None
    return [
        NewFile(Path(f"{stem}.key"), f"private key that signs {what} as {name}", pem),
        NewFile(
            Path(f"{stem}.vkey"), f"public key of {what}: give it to auditors", f"{vkey}\n".encode()
        ),
    ]


def create_age_file(path: Path, now_us: int) -> NewFile:
    """An age X25519 identity in the form that `age-keygen` writes."""
    identity = pyrage.x25519.Identity.generate()
    text = f"# created: {format_time(now_us)}\n# public key: {identity.to_public()}\n{identity}\n"
    return NewFile(path, "age identity that unwraps the data keys: back it up", text.encode())
