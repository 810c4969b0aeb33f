"""The signed heads that a log is held against, smallest first: its stored checkpoints, stored ones
that witnesses cosigned, and those kept outside."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from gateway.transparency.checkpoint import Checkpoint, read_unverified_checkpoint
from gateway.transparency.errors import NoteError
from gateway.transparency.keys import KeyChain
from gateway.transparency.source import StoredRow

IsWitnessed: TypeAlias = Callable[[str], bool]
_SIGNATURE = "\n— ".encode()


class Kind(StrEnum):
    """Where a seal comes from. Outside seals say how long the log must be."""

    STORED = "stored"
    COSIGNED = "cosigned"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint whose signature holds."""

    checkpoint: Checkpoint
    kind: Kind

    @property
    def size(self) -> int:
        """How many entries it signed."""
        return self.checkpoint.size

    @property
    def is_outside(self) -> bool:
        """Whether whoever holds the log could not have made it alone."""
        return self.kind is not Kind.STORED

    @property
    def name(self) -> str:
        """How sentences call it."""
        return f"{self.kind} checkpoint of {self.size} entries"


@dataclass(frozen=True, slots=True)
class Claim:
    """A seal that nobody has looked at. `size` is 0 where the row gives no number, so that it is
    met (and refused) at once."""

    size: int
    kind: Kind
    row: StoredRow

    def open(self, chain: KeyChain) -> Seal:
        """The seal, once a key whose turn it was signed it; raises NoteError."""
        size, root, note = self.row
        if not isinstance(note, bytes) or type(size) is not int:
            raise NoteError("its row holds values of other types")
        try:
            text = note.decode()
        except UnicodeDecodeError:
            raise NoteError("its note is not UTF-8") from None
        opened = chain.open_outside(text) if self.kind is Kind.OUTSIDE else chain.open(text)
        if opened.size != size or (self.kind is Kind.STORED and opened.root != root):
            raise NoteError("its columns are not what its signed note says")
        return Seal(opened, self.kind)

    def note_text(self) -> str:
        """The note, whatever it is worth."""
        note = self.row[2]
        return note.decode(errors="replace") if isinstance(note, bytes) else ""


class Seals:
    """Streams claims in order of size, of equal sizes the stored ones first."""

    def __init__(
        self,
        stored: Iterable[StoredRow] = (),
        outside: Sequence[Checkpoint] = (),
        cosigned: Iterable[StoredRow] = (),
        is_witnessed: IsWitnessed | None = None,
    ) -> None:
        """Of `outside`, nothing but the form is known yet; of `cosigned` those count that
        `is_witnessed` says so of."""
        kept = sorted(outside, key=lambda checkpoint: checkpoint.size)
        self._outside_sizes = [checkpoint.size for checkpoint in kept]
        self._back: deque[Claim] = deque()
        self._streams = [
            _stored(stored, is_witnessed),
            _witnessed(cosigned, is_witnessed),
            (Claim(one.size, Kind.OUTSIDE, (one.size, None, one.note.encode())) for one in kept),
        ]
        self._waiting = [next(stream, None) for stream in self._streams]

    @property
    def next_size(self) -> int | None:
        """The size that the next seal claims, None after the last."""
        if self._back:
            return self._back[0].size
        return min((claim.size for claim in self._waiting if claim), default=None)

    def outside_sizes(self, first: int, last: int) -> tuple[int, ...]:
        """Where there are outside checkpoints."""
        return tuple(size for size in self._outside_sizes if first <= size <= last)

    def put_back(self, claims: Sequence[Claim]) -> None:
        """Claims that were taken and not looked at come again."""
        self._back.extendleft(reversed(claims))

    def take_up_to(self, size: int) -> Iterator[Claim]:
        """Every claim of at most `size`."""
        while self._back:
            if self._back[0].size > size:
                return
            yield self._back.popleft()
        while (at := self._first()) is not None:
            claim = self._waiting[at]
            if claim is None or claim.size > size:
                return
            self._waiting[at] = next(self._streams[at], None)
            yield claim

    def _first(self) -> int | None:
        found = [(claim.size, at) for at, claim in enumerate(self._waiting) if claim]
        return min(found)[1] if found else None


def _claimed(row: StoredRow) -> int:
    return row[0] if type(row[0]) is int else 0


def _stored(rows: Iterable[StoredRow], is_witnessed: IsWitnessed | None) -> Iterator[Claim]:
    for row in rows:
        yield Claim(_claimed(row), Kind.STORED, row)
        # A tree of files has its checkpoint with the cosignatures in it.
        note = row[2]
        if is_witnessed is not None and isinstance(note, bytes) and note.count(_SIGNATURE) > 1:
            yield from _witnessed([row], is_witnessed)


def _witnessed(rows: Iterable[StoredRow], is_witnessed: IsWitnessed | None) -> Iterator[Claim]:
    if is_witnessed is None:
        return
    for row in rows:
        note = row[2]
        text = note.decode(errors="replace") if isinstance(note, bytes) else ""
        try:
            size = read_unverified_checkpoint(text).size
        except NoteError:
            continue  # no anchor: what is not cosigned by whom it must be proves nothing
        if is_witnessed(text):
            yield Claim(size, Kind.COSIGNED, (size, None, text.encode()))
