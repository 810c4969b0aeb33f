"""How long the log is known to be outside: who has seen more of it than is here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.archive.port import ObjectStore
from gateway.archive.reading import Objects
from gateway.audit.proofs import ProofReader
from gateway.backup.errors import BackupError
from gateway.errors import VerificationError
from gateway.storage import log_store
from gateway.storage.engine import Connection
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint_by_any
from gateway.transparency.errors import SourceError
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import MAX_NOTE_BYTES, Verifier
from gateway.transparency.segments import CHECKPOINTS, checkpoint_name, parse_checkpoint_name

RootAt = Callable[[int], bytes]
"""The tree head over that many of the entries that are here."""

_LOOK_BACK = (1, 200_000)  # entries; of an archive's many checkpoints the newest ones are listed


@dataclass(frozen=True, slots=True)
class Sighting:
    """`by` has seen `size` entries. Without a checkpoint it is a witness's word alone."""

    size: int
    by: str
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """All sightings, with what is here: `size` entries, of which a checkpoint signed `signed`."""

    size: int
    sightings: Sequence[Sighting]
    signed: int

    @property
    def longest(self) -> Sighting | None:
        """The one that has seen most, a signed one before a word of the same size."""
        ordered = sorted(self.sightings, key=lambda one: (one.size, one.checkpoint is not None))
        return ordered[-1] if ordered else None

    @property
    def lost(self) -> tuple[int, int] | None:
        """The entries that somebody has seen and that are not here, as (first, last). Where one
        is, what is here and not signed counts as lost, too: nothing vouches for it."""
        longest = self.longest
        if longest is None or longest.size <= self.size:
            return None
        return self.signed, longest.size - 1


def sightings_of_files(paths: Sequence[Path], verifiers: Sequence[Verifier]) -> list[Sighting]:
    """Checkpoints that collectors and others kept; raises SourceError for one that is none."""
    return [_sighting_of_file(path, verifiers) for path in paths]


def sighting_of_store(
    store: ObjectStore, size: int, verifiers: Sequence[Verifier]
) -> Sighting | None:
    """The largest checkpoint in an archive that one of the keys signed; None without one. Where it
    holds more than about `size` entries, what it held before is not listed. Raises ArchiveError."""
    for back in (*_LOOK_BACK, size):
        start = max(0, size - back)
        found = _newest_in(store, checkpoint_name(start), verifiers)
        if found is not None or start == 0:
            return found
    return None


def root_reader(connection: Connection, log: str) -> RootAt:
    """Tree heads over signed and unsigned entries that are here. Its function raises InputError
    past the last one, and LogBrokenError for tiles that are cut short."""
    proofs = ProofReader(connection, log)

    def root_at(size: int) -> bytes:
        if size <= proofs.size:
            return proofs.root(size)
        row = log_store.read_last_checkpoint(connection, log)
        tree = CompactRange() if row is None else CompactRange.from_edge(row.size, row.edge)
        tree.extend(log_store.read_leaf_hashes(connection, log, tree.size, size))
        return tree.root()

    return root_at


def verify_same_history(sightings: Sequence[Sighting], size: int, root_at: RootAt) -> None:
    """Raises BackupError naming the first signed sighting of at most `size` entries whose root is
    not the one of the tree here."""
    for one in sightings:
        if one.checkpoint is None or not 0 < one.size <= size:
            continue
        if root_at(one.size) != one.checkpoint.root:
            raise BackupError(
                f"FORK: {one.by} has a checkpoint of {one.size} entries under this log's key whose "
                "root is another: two histories were signed. Sign nothing, keep both as evidence, "
                "and run `gateway audit verify` with that checkpoint"
            )


def _newest_in(store: ObjectStore, start: str, verifiers: Sequence[Verifier]) -> Sighting | None:
    objects = Objects(store, store.versions(CHECKPOINTS, start))
    sizes = sorted(size for name in objects.chosen if (size := parse_checkpoint_name(name)))
    for size in reversed(sizes):
        note = objects.get(checkpoint_name(size)).decode(errors="replace")
        try:
            checkpoint = open_checkpoint_by_any(note, verifiers)
        except VerificationError:
            continue  # what no key of the log signed says nothing of it
        if checkpoint.size == size:
            return Sighting(size, f"the archive in {store.place}", checkpoint)
    return None


def _sighting_of_file(path: Path, verifiers: Sequence[Verifier]) -> Sighting:
    try:
        with path.open("rb") as file:
            note = file.read(MAX_NOTE_BYTES).decode(errors="replace")
        checkpoint = open_checkpoint_by_any(note, verifiers)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except VerificationError as error:
        raise SourceError(f"{path} is no checkpoint of this log: {error}") from None
    return Sighting(checkpoint.size, str(path), checkpoint)
