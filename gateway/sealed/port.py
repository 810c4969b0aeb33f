"""The key-service port: who holds the keys that everything sealed hangs on."""

from collections.abc import Mapping
from typing import Any, Protocol

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


class SopsKeyService(Protocol):
    """Opens the data keys of SOPS files: others seal them for it, by its public half."""

    @property
    def sops_section(self) -> str:
        """The member of a file's `sops` section that lists data keys sealed for such services."""

    def open_data_key(self, item: Mapping[str, Any]) -> bytes:
        """The data key in one item of that list; raises KeyServiceError for one that is damaged or
        sealed for others."""
