"""What still stands behind a break.

Each entry repeats the leaf hash of the one before it. So the tree can often be carried past a
changed entry, or one that is missing, on its successor's word alone; when a later signed root
agrees, that word was true, and every entry whose bytes match it stands.
"""

from dataclasses import dataclass

from gateway.transparency.entry import HASH_BYTES, Fields, leaf_hash, read_fields
from gateway.transparency.errors import EntryError, NoteError
from gateway.transparency.keys import HANDED_OVER
from gateway.transparency.seals import Seal
from gateway.transparency.source import LogSource
from gateway.transparency.walk import Walk

Row = tuple[object, object, object]


@dataclass(frozen=True, slots=True)
class Salvage:
    """The newest seal that holds behind the break (None: none), and the last entry under it whose
    bytes are not what was signed (None: every one is)."""

    seal: Seal | None = None
    last_bad_seq: int | None = None


def salvage(source: LogSource, walk: Walk) -> Salvage:
    """Carry the tree of `walk`, which stands before a break, on over what follows. Raises
    SourceError when the evidence cannot be read on."""
    carrier = _Carrier(source, walk)
    for batch in source.entries(walk.size):
        for row in batch:
            if not carrier.step(row):
                return carrier.found
    carrier.finish()
    return carrier.found


class _Carrier:
    def __init__(self, source: LogSource, walk: Walk) -> None:
        self.found = Salvage()
        self._source = source
        self._tree = walk.tree
        self._seals = walk.seals
        self._chain = walk.chain
        self._next_seq = walk.size
        self._computed = walk.pending  # of the entry that enters the tree next, from its bytes
        self._fallback = walk.pending  # what to take when its successor cannot say
        self._last_bad: int | None = None

    def step(self, row: Row) -> bool:
        """Take one row; False when the tree cannot be carried further."""
        seq, data, stored = row
        if type(seq) is not int or (seq > self._next_seq + 1 and not self._bridge(seq)):
            return False
        if seq < self._next_seq:  # a double; which of the two was signed shows in the successor
            return True
        if seq > self._next_seq:
            if self._tree.size < self._next_seq and not self._grow(self._fallback):
                return False
            self._computed = self._fallback = None
        fields = _read(seq, data)
        claimed = bytes.fromhex(fields["prev"]) if fields else None
        if self._tree.size < seq and not self._grow(claimed or self._fallback):
            return False
        if fields and fields["type"] == HANDED_OVER:
            self._chain.note_handover(seq, fields["body"])
        self._computed = leaf_hash(data) if isinstance(data, bytes) else None
        is_hash = isinstance(stored, bytes) and len(stored) == HASH_BYTES
        self._fallback = stored if is_hash and isinstance(stored, bytes) else self._computed
        self._next_seq = seq + 1
        return True

    def finish(self) -> None:
        """The last entry has no successor."""
        if self._tree.size < self._next_seq:
            self._grow(self._fallback)

    def _bridge(self, seq: int) -> bool:
        """Over several entries that are not there, by the hashes kept of them."""
        first = self._next_seq
        hashes = self._source.leaf_hashes(first, seq)
        if len(hashes) != seq - first:
            return False
        if self._tree.size < first and not self._grow(self._fallback):
            return False
        for leaf in hashes[:-1]:
            self._computed = None
            self._grow(leaf)
        self._computed, self._fallback = None, hashes[-1]
        self._next_seq = seq
        return True

    def _grow(self, leaf: bytes | None) -> bool:
        if leaf is None:
            return False
        if leaf != self._computed:
            self._last_bad = self._tree.size
        self._tree.append(leaf)
        wanted = self._seals.next_size
        if wanted is not None and wanted <= self._tree.size:
            self._meet_seals()
        return True

    def _meet_seals(self) -> None:
        head = self._tree.range()
        root = head.root()
        for claim in self._seals.take_up_to(head.size):
            try:
                seal = claim.open(self._chain)
            except NoteError:
                try:  # out of turn, and yet something that the auditor trusts says so
                    seal = Seal(self._chain.open_outside(claim.note_text()), claim.kind)
                except NoteError:
                    continue
            if seal.size == head.size and seal.checkpoint.root == root:
                self.found = Salvage(seal, self._last_bad)
                self._chain.take_note(seal.checkpoint)


def _read(seq: int, data: object) -> Fields | None:
    try:
        fields = read_fields(data) if isinstance(data, bytes) else None
    except EntryError:
        return None
    return fields if fields and fields["seq"] == seq else None
