"""The embedded key service: an age identity file (age-encryption.org/v1) of the operator's.

The context is bound by standing inside what is encrypted: tag ‖ SHA-256(context) ‖ key. age
authenticates all of it.
"""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyrage
from pyrage import x25519

from gateway.errors import ConfigError, KeyServiceError

_TAG = b"compliance-gateway/age-wrap/v1\n"
_HEADER_BYTES = len(_TAG) + 32


class AgeKeyService:
    """Wraps to the first identity of the file and unwraps with any: a new identity is put on top,
    and what older ones wrapped still opens."""

    def __init__(self, identities: Sequence[x25519.Identity]) -> None:
        if not identities:
            raise ConfigError("an age key service needs at least one identity")
        self._identities = list(identities)
        self._recipient = self._identities[0].to_public()

    @classmethod
    def open(cls, path: Path) -> "AgeKeyService":
        """Read an age identity file; raises ConfigError that names the file and line, also when
        others than its owner can read it."""
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the age identity file {path}: {_why(error)}") from None
        if mode & 0o077:
            raise ConfigError(f"others can read the age identity file {path}: chmod 600 it")
        return cls(_parse_identities(path, text))

    @property
    def name(self) -> str:
        return "age"

    def wrap(self, plaintext_key: bytes, context: bytes) -> bytes:
        bound = _TAG + sha256(context).digest() + plaintext_key
        try:
            return bytes(pyrage.encrypt(bound, [self._recipient]))
        except pyrage.EncryptError as error:
            raise KeyServiceError(f"age cannot wrap a key: {error}") from None

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        try:
            bound = bytes(pyrage.decrypt(blob, self._identities))
        except pyrage.DecryptError as error:
            raise KeyServiceError(
                f"age cannot unwrap a key: {error}; is the identity that wrapped it still in the "
                "file?"
            ) from None
        if not hmac.compare_digest(bound[:_HEADER_BYTES], _TAG + sha256(context).digest()):
            raise KeyServiceError("the wrapped key belongs to another context")
        return bound[_HEADER_BYTES:]

    @property
    def sops_section(self) -> str:
        return "age"

    def open_data_key(self, item: Mapping[str, Any]) -> bytes:
        """The data key of a SOPS file: an armored age file in the item's `enc`."""
        enc = item.get("enc")
        if not isinstance(enc, str):
            raise KeyServiceError("no sealed data key there")
        try:
            return bytes(pyrage.decrypt(enc.encode(), self._identities))
        except (pyrage.DecryptError, UnicodeEncodeError):
            raise KeyServiceError("the data key is damaged, or sealed for others") from None

    def health(self) -> str | None:
        return None  # the identities are in memory


def _parse_identities(path: Path, text: str) -> list[x25519.Identity]:
    identities = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        try:
            identities.append(x25519.Identity.from_str(word))
        except pyrage.IdentityError:
            raise ConfigError(
                f"{path} line {number} is not an age identity (AGE-SECRET-KEY-1…)"
            ) from None
    if not identities:
        raise ConfigError(f"{path} holds no age identity: make one with `gateway keys init`")
    return identities


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "error") if isinstance(error, OSError) else "it is not text"
