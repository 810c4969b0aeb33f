"""Reading a log entry by entry: the judge of what holds, who names what does not.

* an entry's bytes, hash, place in the chain or log are wrong: TAMPERED;
* sequence numbers leave a gap that no kept hashes bridge: MISSING. Where level 0 tiles give the
  hashes, the gap is open until the end, when a sealed and approved `entries.purged` must cover it;
* a sequence number comes twice: DUPLICATE_SEQ.
"""

from collections.abc import Sequence
from itertools import islice

from gateway.transparency.blocks import BlockReader, Depth, Special, count_items, is_special
from gateway.transparency.entry import GENESIS, Fields, leaf_hash, read_fields
from gateway.transparency.errors import EntryError
from gateway.transparency.finding import Finding, missing
from gateway.transparency.source import LogSource, Row
from gateway.transparency.verdict import Word
from gateway.transparency.walk import Walk, block_of

_GAP_STEP = 65_536
_BLOCK_ROWS = 2_048


class Judge:
    """Carries a walk on over rows. What a block shows to hold is taken at once."""

    def __init__(self, source: LogSource, origin: str, depth: Depth) -> None:
        self._source = source
        self._origin = origin
        self._depth = depth
        self._blocks = BlockReader(origin, depth)

    def read(self, walk: Walk, rows: Sequence[Row]) -> None:
        """Take the next rows; raises Finding at the first thing that does not hold, and then the
        walk stands before it."""
        waiting = iter(rows)
        while part := list(islice(waiting, _BLOCK_ROWS)):
            block = self._blocks.read(part, walk.size, walk.head)
            if block is not None:
                walk.take(block)
                continue
            for row in part:
                self._read_row(walk, row)

    def _read_row(self, walk: Walk, row: Row) -> None:
        seq, data, stored = row
        if type(seq) is int and seq > walk.size:
            self._bridge(walk, seq)
        size = walk.size
        if seq != size or type(seq) is not int:
            raise _bad_seq(seq, size)
        if type(data) is not bytes:
            raise Finding(
                Word.TAMPERED, size, f"Entry {size} holds no bytes: one of the two was changed."
            )
        digest = leaf_hash(data)
        if digest != stored:
            sentence = (
                f"Entry {size} has not the leaf hash stored with it: one of the two was changed."
            )
            raise Finding(Word.TAMPERED, size, sentence)
        try:
            fields = read_fields(data, is_any_form=self._depth is not Depth.CANONICAL)
        except EntryError as error:
            sentence = f"Entry {size} is no entry of a log: {error}."
            raise Finding(Word.TAMPERED, size, sentence) from None
        _check_place(fields, size, walk.head, self._origin)
        special = None
        if is_special(fields["type"]):
            special = Special(size, fields["type"], fields["body"], count_items(data))
        walk.take(block_of(bytes.fromhex(fields["prev"]), digest, fields["time"], special))

    def _bridge(self, walk: Walk, stop: int) -> None:
        """Entries up to `stop` are not there: carry the walk over on the hashes kept of them."""
        first = walk.size
        # Twice, so that nothing is taken unless all of it is there.
        for at in range(first, stop, _GAP_STEP):
            end = min(stop, at + _GAP_STEP)
            hashes = self._source.leaf_hashes(at, end)
            if len(hashes) != end - at or {len(one) for one in hashes} != {len(GENESIS)}:
                raise missing(first, stop - 1)
        walk.removals.open_gap(first, stop - 1)
        for at in range(first, stop, _GAP_STEP):
            walk.take_hashes(self._source.leaf_hashes(at, min(stop, at + _GAP_STEP)))


def _check_place(fields: Fields, size: int, head: bytes | None, origin: str) -> None:
    """Raises Finding unless the entry says that it stands where it stands."""
    if fields["log"] != origin:
        sentence = f"Entry {size} belongs to another log, {fields['log'][:80]!r}."
        raise Finding(Word.TAMPERED, size, sentence)
    if fields["seq"] != size:
        sentence = f"Where entry {size} should stand, an entry {fields['seq']} stands."
        raise Finding(Word.TAMPERED, size, sentence)
    if head is not None and fields["prev"] != head.hex():
        before = max(size - 1, 0)
        sentence = f"Entry {size} does not follow entry {before}: one of the two was changed."
        if not size:
            sentence = "Entry 0 does not start a chain."
        raise Finding(Word.TAMPERED, before, sentence)


def _bad_seq(seq: object, expected: int) -> Finding:
    if type(seq) is not int:
        return Finding(Word.TAMPERED, expected, "A sequence number is not a number.")
    return Finding(Word.DUPLICATE_SEQ, seq, f"Sequence number {seq} stands more than once.")
