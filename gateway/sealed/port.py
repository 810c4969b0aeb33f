"""The key-service port: who holds the keys that everything sealed hangs on."""

from typing import Protocol

DATA_KEY_BYTES = 32


class KeyService(Protocol):
    """Wraps data keys. What it wraps is bound to a context: it opens under the same one only."""

    @property
    def name(self) -> str:
        """A short word for logs and entries, never a secret."""

    def wrap(self, plaintext_key: bytes, context: bytes) -> bytes:
        """The key, readable by this service alone; raises KeyServiceError."""

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        """The key that `wrap` was given with this context; raises KeyServiceError for another
        context, a damaged blob, or one that another service wrapped."""

    def health(self) -> str | None:
        """None when keys can be wrapped and unwrapped, else why not."""
