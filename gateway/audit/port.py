"""The log's writing port: what the services see of sequencing and storage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has a place. `body` is canonical JSON, or a function from the sequence
    number of the group's first entry to it (a decision cites evaluations of its own group)."""

    type: str
    actor: str
    body: bytes | Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Payload:
    """What lies sealed beside the log for one class id (docs/formats.md section 9)."""

    class_id: str
    region: str
    retention_class: str
    plaintext: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """A durable entry's place."""

    seq: int
    leaf_hash: bytes


class Log(Protocol):
    """One log. `append` returns only when the whole group is durable (P3)."""

    @property
    def origin(self) -> str:
        """The log's name, as in checkpoints."""

    async def append(
        self, drafts: Sequence[Draft], payloads: Sequence[Payload] = ()
    ) -> list[Appended]:
        """Append the drafts as one gapless group with their payloads, atomically; raises
        LogUnavailableError when they are not durable, and then nothing of the group stands."""

    def checkpoint(self) -> str | None:
        """The newest signed checkpoint that is durable, or None before the first."""

    def health(self) -> str | None:
        """None when the log can be written, else why not."""
