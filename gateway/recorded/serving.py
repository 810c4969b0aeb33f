"""What a gateway served under one activation number, as replay and impact need it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ServingRecord:
    """What was in force. `floor_note` is the signed floor file's bytes, empty without one;
    `protections` are floor rows added by hand; `candidate` is the hash of a bundle in canary."""

    activation: int
    bundle: str
    floor: str
    floor_note: bytes
    protections: tuple[Mapping[str, Any], ...] = ()
    exceptions: tuple[Mapping[str, Any], ...] = ()
    candidate: str | None = None


class ServingHistory(Protocol):
    """The past of what was in force, by activation number."""

    def serving_at(self, activation: int) -> ServingRecord | None:
        """What was served under this number, or None when nobody knows; raises StorageError."""
