"""The log's writing port: what the services see of sequencing and storage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.audit.journal import JournalHeads
from gateway.transparency.entry import Entry


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


class Appended(NamedTuple):
    """A durable entry's place."""

    seq: int
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Removal:
    """What leaves the database with the entry that says so (docs/formats.md section 15): the
    payloads of `class_ids` (row and key), the month keys `month_keys` (ids), and the rows of
    entries `first` to `last`, inclusive; -1: none."""

    class_ids: tuple[str, ...] = ()
    month_keys: tuple[str, ...] = ()
    first: int = -1
    last: int = -1


class Log(Protocol):
    """One log. `append` returns only when the whole group is durable (P3)."""

    @property
    def origin(self) -> str:
        """The log's name, as in checkpoints."""

    async def append(
        self,
        drafts: Sequence[Draft],
        payloads: Sequence[Payload] = (),
        *,
        after: int | None = None,
        fence: int | None = None,
        removal: Removal | None = None,
    ) -> list[Appended]:
        """Append the drafts as one gapless group with their payloads, atomically; raises
        LogUnavailableError when they are not durable, and then nothing of the group stands.

        `after`: the newest journal entry that the caller has seen (-1: none); drafts of a journal
        type need it. `fence`: the activation number under which the caller decided. Both are held
        against the log inside the write transaction; MovedError when they are not the newest.

        `removal`: carried out in the same transaction as the entries: both stand or neither. What
        is gone already is no error. A group that is refused removes nothing.
        """

    async def journal(self, start: int = 0) -> list[Entry]:
        """The journal entries from seq `start` on, in order, each checked against its leaf hash
        and the one before it; raises LogBrokenError naming the entry, LogUnavailableError."""

    async def heads(self) -> JournalHeads:
        """Where the journal is, other processes' entries included; cheap. Raises as `journal`."""

    def checkpoint(self) -> str | None:
        """The newest signed checkpoint that is durable, or None before the first."""

    def health(self) -> str | None:
        """None when the log can be written, else why not."""


class BundleStore(Protocol):
    """What entries name by hash, kept for replay (P9): bundle archives by bundle hash, signed
    floors and impact reports by SHA-256. Hashes are 64 hex digits. Blocking."""

    def put(self, hash: str, content: bytes) -> None:
        """Keep `content`; what stands under its hash already stays. Raises StorageError."""

    def get(self, hash: str) -> bytes | None:
        """The content, unchecked, or None; raises StorageError."""
