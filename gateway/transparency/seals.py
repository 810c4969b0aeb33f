"""The signed heads that a log is held against, smallest first: its stored checkpoints and those
kept outside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.errors import NoteError
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Verifier

StoredRow = tuple[object, object, object]


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint whose signature holds."""

    checkpoint: Checkpoint
    is_outside: bool

    @property
    def name(self) -> str:
        """How sentences call it."""
        kind = "outside" if self.is_outside else "stored"
        return f"{kind} checkpoint of {self.checkpoint.size} entries"

    def is_head_of(self, tree: CompactRange) -> bool:
        """Whether it is the head of this very tree."""
        return self.checkpoint.size == tree.size and self.checkpoint.root == tree.root()


class Seals:
    """Streams stored checkpoint rows `(size, root, note)` and outside checkpoints in order of size.

    Rows come from whoever is being checked: nothing is believed of them before the signature.
    """

    def __init__(
        self, stored: Iterable[StoredRow], outside: Sequence[Checkpoint], verifier: Verifier
    ) -> None:
        self._stored = iter(stored)
        self._outside = sorted(outside, key=lambda checkpoint: checkpoint.size, reverse=True)
        self._verifier = verifier
        self._row = next(self._stored, None)

    @property
    def next_size(self) -> int | None:
        """The size that the next seal claims, None after the last; a row whose size is no number
        claims 0, so that it is met (and refused) at once."""
        sizes = [self._outside[-1].size] if self._outside else []
        if self._row is not None:
            sizes.append(_claimed_size(self._row))
        return min(sizes, default=None)

    def take(self) -> Seal:
        """The next seal, of equal sizes the stored one first; raises NoteError when a stored row is
        not what the log signed."""
        row = self._row
        if row is not None and _claimed_size(row) == self.next_size:
            self._row = next(self._stored, None)
            return Seal(_open_row(row, self._verifier), is_outside=False)
        return Seal(self._outside.pop(), is_outside=True)

    def take_up_to(self, size: int) -> Iterator[Seal | NoteError]:
        """Every seal of at most `size`; a stored row that does not hold comes as its error."""
        while (claimed := self.next_size) is not None and claimed <= size:
            try:
                yield self.take()
            except NoteError as error:
                yield error


def _claimed_size(row: StoredRow) -> int:
    return row[0] if isinstance(row[0], int) else 0


def _open_row(row: StoredRow, verifier: Verifier) -> Checkpoint:
    size, root, note = row
    if not (isinstance(size, int) and isinstance(root, bytes) and isinstance(note, bytes)):
        raise NoteError("its row holds values of other types")
    try:
        checkpoint = open_checkpoint(note.decode(), verifier)
    except UnicodeDecodeError:
        raise NoteError("its note is not UTF-8") from None
    if (checkpoint.size, checkpoint.root) != (size, root):
        raise NoteError("its columns are not what its signed note says")
    return checkpoint
