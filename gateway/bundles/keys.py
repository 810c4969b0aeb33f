"""The keys that sign bundles: P-256, PEM. A bundle counts only under a configured one."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.errors import ConfigError

KEYID_HEX_DIGITS = 16
_KEYID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_MEND = "make one with `gateway keys bundle-key`"


@dataclass(frozen=True, slots=True)
class BundleKey:
    """A public key that may sign bundles, under the name that signatures give it."""

    keyid: str
    public_key: ec.EllipticCurvePublicKey

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo (DER), 64 hex digits."""
        return fingerprint_of(self.public_key)


def fingerprint_of(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo (DER), 64 hex digits."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def keyid_of(key: ec.EllipticCurvePublicKey) -> str:
    """The name that a key has when nobody gives it another: its fingerprint's first 16 digits."""
    return fingerprint_of(key)[:KEYID_HEX_DIGITS]


def read_public_key(path: Path, keyid: str | None = None) -> BundleKey:
    """A configured key, as `gateway keys` writes it; raises ConfigError."""
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: no public key in PEM; {_MEND}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path}: bundles are signed with P-256 (ES256); {_MEND}")
    return BundleKey(verify_keyid(keyid or keyid_of(key)), key)


def read_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """An author's signing key (PEM without a password); raises ConfigError."""
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: no private key in PEM without a password; {_MEND}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path}: bundles are signed with P-256 (ES256); {_MEND}")
    return key


def verify_keyid(keyid: str) -> str:
    """`keyid` itself; raises ConfigError for what cannot name a key."""
    if not _KEYID.match(keyid):
        raise ConfigError(
            f"{keyid[:80]!r} cannot name a key: 1 to 64 letters, digits, dots, dashes, underscores"
        )
    return keyid


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the key: {error.strerror}; {_MEND}") from None
