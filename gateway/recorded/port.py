"""The ports through which recorded verdicts are read: entries with weights, and class payloads."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.audit.lost import Lost
from gateway.recorded.entries import StoredEntry


@dataclass(frozen=True, slots=True)
class Weight:
    """How often a verdict (`position` in evaluations entry `seq`) was given on a day (UTC)."""

    day: str
    seq: int
    position: int
    times: int


@dataclass(frozen=True, slots=True)
class Absences:
    """Entries that are not there: `purged` by what the log's own entries say, `missing` for no
    reason that it knows."""

    purged: int
    missing: int


class RecordedEntries(Protocol):
    """The `evaluations` entries of one log, and how often their verdicts were given."""

    def size(self) -> int:
        """One more than the last sequence number; raises StorageError."""

    def scan(self, first: int, stop: int) -> Iterator[StoredEntry]:
        """The evaluations entries among first..stop-1, in order; raises StorageError."""

    def at(self, seqs: Sequence[int]) -> Iterator[StoredEntry]:
        """The evaluations entries of these numbers, in order; raises StorageError."""

    def absent(self, first: int, stop: int) -> Absences:
        """How many entries among first..stop-1 are not in the database; raises StorageError."""

    def purged(self, seqs: Sequence[int]) -> Collection[int]:
        """Those of the numbers whose entries, as the log says, were purged; raises StorageError."""

    def weights(self, first_day: str, last_day: str) -> Sequence[Weight]:
        """What was given from day to day (inclusive, `YYYY-MM-DD`); raises StorageError."""


class ClassVault(Protocol):
    """The sealed class payloads."""

    def open_many(self, classes: Mapping[str, int]) -> Mapping[str, bytes | Lost]:
        """The plaintext of each class id, or why there is none. `classes` maps an id to the seq of
        the evaluations entry that names it. Raises KeyServiceError when no key can be unwrapped at
        all, and StorageError."""
