"""What still stands behind a break.

Each entry repeats the leaf hash of the one before it. So the tree can often be carried past a
changed entry, or one that is missing, on its successor's word alone; when a later signed root
agrees, that word was true, and every entry whose bytes match it stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.transparency.entry import HASH_BYTES, leaf_hash, read_fields
from gateway.transparency.errors import EntryError
from gateway.transparency.merkle import CompactRange
from gateway.transparency.seals import Seal, Seals

Row = tuple[object, object, object]


@dataclass(frozen=True, slots=True)
class Salvage:
    """The newest seal that holds behind the break (None: none), and the last entry under it whose
    bytes are not what was signed (None: every one is)."""

    seal: Seal | None = None
    last_bad_seq: int | None = None


def salvage(
    rows: Iterable[Row], tree: CompactRange, pending: bytes | None, seals: Seals
) -> Salvage:
    """Carry `tree` on over `rows`, which start at the row of the break.

    `pending` is the leaf hash of the last entry read, when it is not in the tree yet. Raises
    SourceError when the evidence cannot be read on.
    """
    walk = _Walk(tree, pending, seals)
    for row in rows:
        if not walk.step(row):
            return walk.found
    walk.finish()
    return walk.found


class _Walk:
    def __init__(self, tree: CompactRange, pending: bytes | None, seals: Seals) -> None:
        self.found = Salvage()
        self._tree = tree
        self._seals = seals
        self._next_seq = tree.size + (pending is not None)
        self._computed = pending  # of the entry that enters the tree next, from its bytes
        self._fallback = pending  # what to take when its successor cannot say
        self._last_bad: int | None = None

    def step(self, row: Row) -> bool:
        """Take one row; False when the tree cannot be carried further."""
        seq, data, stored = row
        if type(seq) is not int or seq > self._next_seq + 1:
            return False
        if seq < self._next_seq:  # a double; which of the two was signed shows in the successor
            return True
        if seq > self._next_seq:
            if self._tree.size < self._next_seq and not self._grow(self._fallback):
                return False
            self._computed = self._fallback = None
        claimed = _claimed_prev(seq, data)
        if self._tree.size < seq and not self._grow(claimed or self._fallback):
            return False
        self._computed = leaf_hash(data) if isinstance(data, bytes) else None
        is_hash = isinstance(stored, bytes) and len(stored) == HASH_BYTES
        self._fallback = stored if is_hash and isinstance(stored, bytes) else self._computed
        self._next_seq = seq + 1
        return True

    def finish(self) -> None:
        """The last entry has no successor."""
        if self._tree.size < self._next_seq:
            self._grow(self._fallback)

    def _grow(self, leaf: bytes | None) -> bool:
        if leaf is None:
            return False
        if leaf != self._computed:
            self._last_bad = self._tree.size
        self._tree.append(leaf)
        for seal in self._seals.take_up_to(self._tree.size):
            if isinstance(seal, Seal) and seal.is_head_of(self._tree):
                self.found = Salvage(seal, self._last_bad)
        return True


def _claimed_prev(seq: int, data: object) -> bytes | None:
    try:
        fields = read_fields(data) if isinstance(data, bytes) else None
    except EntryError:
        return None
    return bytes.fromhex(fields["prev"]) if fields and fields["seq"] == seq else None
