"""Where a log is read from: rows as they lie, in one snapshot. Nothing in them is trusted."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

Row: TypeAlias = tuple[object, object, object]
"""`(seq, bytes, leaf_hash)` of an entry."""

StoredRow: TypeAlias = tuple[object, object, object]
"""`(size, root, note as bytes)` of a checkpoint."""

Opener: TypeAlias = Callable[[], "LogSource"]


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """What lies beside the log for one class: the sealed bytes' SHA-256 (None: no row), the month
    key's id, the one that its row's columns say (purges and holds go by these), and which keys are
    there."""

    sealed_sha256: bytes | None
    month_key: str
    place: str
    has_key: bool
    has_month_key: bool


class LogSource(Protocol):
    """One log. Every method raises SourceError when the evidence cannot be read (on)."""

    @property
    def origin(self) -> str:
        """The log's name, as the evidence says."""

    def estimate_entries(self) -> int:
        """About how many entries there are, cheaply, for the progress."""

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        """Batches of rows from entry `first` on, in order of seq. Gaps are left as they are; from
        0, rows whose seq is no number come, too."""

    def checkpoints(self, from_size: int = 0) -> Iterator[StoredRow]:
        """Stored checkpoints of at least that size, in order of size."""

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        """The hashes of entries first..stop-1 out of level 0 tiles, for entries whose bytes are
        gone; shorter when tiles are not there."""

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        """`(level, index, joined hashes)` of stored tiles in order of level and index, if the
        source keeps any: the widest of each place."""

    def tail_problem(self) -> str | None:
        """How the evidence ends in a torn write (CRASH_TAIL), if it does."""

    def opener(self) -> "Opener | None":
        """Opens the same evidence again in another process; picklable. None: it cannot be."""

    def close(self) -> None:
        """Let go of the evidence."""


@runtime_checkable
class DatabaseSource(LogSource, Protocol):
    """A log with what a database keeps beside it."""

    def edges(self) -> Iterator[tuple[object, object]]:
        """`(size, edge)` of stored checkpoints, in order of size."""

    def journal_rows(self) -> Iterator[tuple[object, object]]:
        """`(seq, type)` of the journal's index, in order of seq."""

    def payloads(self, class_ids: Collection[str]) -> Mapping[str, StoredPayload]:
        """What lies beside the log for these classes; absent: neither payload nor key."""

    def count_payloads(self) -> int:
        """How many payload rows there are."""

    def classes_held(self, class_ids: Collection[str]) -> set[str]:
        """Those of which there is a payload or its key."""

    def months_held(self, month_keys: Collection[str]) -> set[str]:
        """Those month keys that are there, or under which the columns of a payload say it lies."""

    def cosigned(self) -> Iterator[StoredRow]:
        """Stored checkpoints with cosignatures: (size, None, note as bytes), in order of size."""


@runtime_checkable
class CosignedSource(Protocol):
    """What a source has besides that keeps checkpoints with cosignatures."""

    def cosigned(self) -> Iterator[StoredRow]:
        """`(size, None, note as bytes)`, in order of size."""


@runtime_checkable
class OneCheckpointSource(Protocol):
    """What a source has besides that keeps no checkpoint but the newest."""

    @property
    def only_checkpoint(self) -> bytes:
        """Its note."""


@runtime_checkable
class TellingSource(Protocol):
    """What a source has besides that finds odd things which break nothing."""

    def findings(self) -> Sequence[str]:
        """As sentences."""


def database_of(source: LogSource) -> "DatabaseSource | None":
    """The source as a database's, if it keeps anything beside entries and checkpoints: a copy of
    these two tables alone says so by `is_extract`."""
    if getattr(source, "is_extract", False) or not isinstance(source, DatabaseSource):
        return None
    return source


@runtime_checkable
class LateSource(Protocol):
    """What a source has besides that may begin after entry 0, because nothing before is kept
    there any more (an archive whose oldest segments passed their retention date)."""

    def start(self) -> tuple[int, bytes, str]:
        """`(size, edge, note)`: the first entry that is there, the tree's right edge before it and
        the signed note of that size; `(0, b"", "")` when it begins at entry 0. Nothing of it is
        trusted: the note must be signed and have the edge's root, and a sealed `entries.purged`
        further on must cover 0 to size-1. There are no leaf hashes for that range."""
