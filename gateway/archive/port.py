"""The archive's ports: where objects are kept, and what of the log they are made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.transparency.notes import Verifier


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker over it. `id` is the store's own (empty in a
    folder), `tag` is equal for equal bytes where the store says so."""

    name: str
    id: str
    written_us: int
    size: int = 0
    tag: str = ""
    is_marker: bool = False


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when a version is kept, in whole seconds; `is_compliance`: nobody can delete it or
    shorten that."""

    until_us: int
    is_compliance: bool


class ObjectStore(Protocol):
    """Objects by name (`/` between parts), each written once. Every method blocks and raises
    ArchiveError, which names the place and never a credential."""

    @property
    def place(self) -> str:
        """How sentences call it."""

    @property
    def keeps_dates(self) -> bool:
        """Whether it locks versions until a date."""

    def put_once(self, name: str, content: bytes, until_us: int) -> bool:
        """Write a whole object unless one of that name stands, hidden by a delete marker or not;
        whether it was written. At no moment does a part of it stand under its name."""

    def put_version(self, name: str, content: bytes, until_us: int) -> None:
        """Write another, locked version of an object. Raises where no versions are kept."""

    def get(self, name: str, version_id: str = "") -> bytes:
        """The bytes of a version; without an id of the newest."""

    def versions(self, prefix: str = "", start: str = "") -> Iterator[Version]:
        """Every version and delete marker of names with that prefix, `start` and later ones; of
        one name the newest first."""

    def retention(self, name: str, version_id: str = "") -> Retention | None:
        """The date that a version has, None without one."""

    def is_locked(self, name: str, version_id: str = "") -> bool:
        """Whether nobody can delete that version now."""

    def extend(self, name: str, version_id: str, until_us: int) -> None:
        """Move a date later."""


@dataclass(frozen=True, slots=True)
class SealedHead:
    """A stored checkpoint: `edge` is the tree's right edge at its size; `note` has cosignatures
    where there are any."""

    size: int
    edge: bytes
    note: str


class SealedLog(Protocol):
    """What checkpoints signed of one log. Every method blocks and raises StorageError."""

    @property
    def origin(self) -> str:
        """The log's name."""

    def keys(self) -> Sequence[Verifier]:
        """The keys that signed it, first one first: of entry 0 and of hand-overs."""

    def newest_size(self) -> int:
        """Of the newest checkpoint; 0 before the first."""

    def head(self, size: int) -> SealedHead | None:
        """The checkpoint of exactly that size."""

    def next_head(self, first: int, most: int) -> SealedHead | None:
        """Of the checkpoints that cover entry `first` the largest of at most `first + most`
        entries, else the smallest of all; one that has cosignatures goes before larger ones. None:
        `first` is not signed yet."""

    def first_whole(self) -> int:
        """The size of the smallest checkpoint from which on every entry is there (0, unless a purge
        took older ones)."""

    def entries(self, first: int, stop: int) -> list[bytes]:
        """The bytes of entries first..stop-1; shorter when some are not there."""
