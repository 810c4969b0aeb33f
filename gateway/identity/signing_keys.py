"""Making the keys that are not certificates: for notes, for bundles, and the age identity."""

from pathlib import Path

import pyrage
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

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


def create_bundle_key_files(private: Path) -> list[NewFile]:
    """An author's key for bundles: `private` (P-256 for ES256, PKCS #8 PEM) and beside it the
    public key, with the ending `.pub` (SubjectPublicKeyInfo PEM, as OPA reads it too). Raises
    ConfigError for a private file of that ending."""
    public = private.with_suffix(".pub")
    if public == private:
        raise ConfigError(f"{private}: the public key gets the ending .pub; choose another")
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    spki = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return [
        NewFile(private, "private key that signs policy bundles: the author keeps it", pem),
        NewFile(public, "public key of policy bundles: gateways and OPA servers have it", spki),
    ]


def create_age_file(path: Path, now_us: int) -> NewFile:
    """An age X25519 identity in the form that `age-keygen` writes."""
    identity = pyrage.x25519.Identity.generate()
    text = f"# created: {format_time(now_us)}\n# public key: {identity.to_public()}\n{identity}\n"
    return NewFile(path, "age identity that unwraps the data keys: back it up", text.encode())
