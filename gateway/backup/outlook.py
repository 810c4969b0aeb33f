"""How long the log is known to be outside: who has seen more of it than is here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.backup.errors import BackupError
from gateway.errors import VerificationError
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.merkle import ReadNode, tree_root
from gateway.transparency.notes import Verifier
from gateway.transparency.report import read_checkpoint
from gateway.transparency.source import LogSource


@dataclass(frozen=True, slots=True)
class Sighting:
    """`by` has seen `size` entries. Without a checkpoint it is a witness's word alone."""

    size: int
    by: str
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """All sightings, with what is here: `size` entries."""

    size: int
    sightings: Sequence[Sighting]

    @property
    def longest(self) -> Sighting | None:
        """The one that has seen most, a signed one before a word of the same size."""
        ordered = sorted(self.sightings, key=lambda one: (one.size, one.checkpoint is not None))
        return ordered[-1] if ordered else None

    @property
    def lost(self) -> tuple[int, int] | None:
        """The entries that somebody has seen and that are not here, as (first, last)."""
        longest = self.longest
        if longest is None or longest.size <= self.size:
            return None
        return self.size, longest.size - 1


def sightings_of_files(paths: Sequence[Path], verifier: Verifier) -> list[Sighting]:
    """Checkpoints that collectors and others kept; raises SourceError for one that is none."""
    found = []
    for path in paths:
        checkpoint = read_checkpoint(path, verifier)
        found.append(Sighting(checkpoint.size, str(path), checkpoint))
    return found


def sighting_of_archive(archive: LogSource, place: str, verifier: Verifier) -> Sighting | None:
    """The largest checkpoint in an archive that holds; None in an empty one. Raises SourceError."""
    best: Checkpoint | None = None
    for _size, _root, note in archive.checkpoints(0):
        if not isinstance(note, bytes):
            continue
        try:
            checkpoint = open_checkpoint(note.decode(errors="replace"), verifier)
        except VerificationError:
            continue
        if best is None or checkpoint.size > best.size:
            best = checkpoint
    return None if best is None else Sighting(best.size, place, best)


def verify_same_history(
    sightings: Sequence[Sighting], signed_size: int, read_node: ReadNode
) -> None:
    """Raises BackupError naming the first signed sighting of at most `signed_size` entries whose
    root is not the one of the tree here (`read_node` gives its complete subtrees)."""
    for one in sightings:
        if one.checkpoint is None or not 0 < one.size <= signed_size:
            continue
        if tree_root(one.size, read_node) != one.checkpoint.root:
            raise BackupError(
                f"{one.by} has a checkpoint of {one.size} entries under this log's key whose root "
                "is another: two histories were signed (a fork). Sign nothing; keep both"
            )
