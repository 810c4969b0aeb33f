"""A key service in memory, with a switch that makes it fail."""

import hmac
from hashlib import sha256

from gateway.errors import KeyServiceError


class MemoryKeyService:
    """Binds to the context as the port asks; hides nothing, so only for tests."""

    name = "memory"

    def __init__(self, secret: bytes = b"memory") -> None:
        self._secret = secret
        self.failing: str | None = None
        self.calls = 0

    def wrap(self, plaintext_key: bytes, context: bytes) -> bytes:
        self._answer()
        return self._seal(plaintext_key, context) + plaintext_key

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        self._answer()
        if not hmac.compare_digest(blob[:32], self._seal(blob[32:], context)):
            raise KeyServiceError("not wrapped here, or for another context")
        return blob[32:]

    def health(self) -> str | None:
        return self.failing

    def _answer(self) -> None:
        self.calls += 1
        if self.failing is not None:
            raise KeyServiceError(self.failing)

    def _seal(self, key: bytes, context: bytes) -> bytes:
        return sha256(self._secret + sha256(context).digest() + key).digest()
