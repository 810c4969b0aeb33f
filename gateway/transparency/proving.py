"""Making a proof file from any source: the hashes come from its tiles, the end from its entries."""

from collections import deque

from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import HASH_BYTES, leaf_hash
from gateway.transparency.errors import ProofError, SourceError
from gateway.transparency.merkle import inclusion_proof, node_hash, verify_inclusion
from gateway.transparency.notes import Verifier
from gateway.transparency.proof_file import ProofFile
from gateway.transparency.source import LogSource
from gateway.transparency.tiles import TILE_HEIGHT, TILE_WIDTH, TilePlace, tile_width
from gateway.transparency.tree_source import TreeSource, UnverifiedHead, read_unverified_head


def prove_entry(source: LogSource, index: int, verifier: Verifier | None = None) -> ProofFile:
    """The proof of entry `index` under the newest checkpoint of `source`, verified before it is
    given. With a `verifier`, that checkpoint must be signed by it.

    Raises SourceError when there is no such entry, checkpoint or tile, ProofError when what is
    there does not lead to the checkpoint's root, NoteError.
    """
    head = find_newest_head(source)
    note = head.note.decode(errors="replace")
    if verifier is not None:
        open_checkpoint(note, verifier)
    if index >= head.size:
        raise SourceError(
            f"entry {index} is not under the newest checkpoint, which has {head.size} entries"
        )
    data = _read_entry(source, index)
    path = inclusion_proof(index, head.size, _Nodes(source, head.size, index).read)
    verify_inclusion(leaf_hash(data), index, head.size, path, head.root)
    return ProofFile(data, index, tuple(path), note)


def find_newest_head(source: LogSource) -> UnverifiedHead:
    """The newest stored checkpoint, not verified; raises SourceError when there is none, or it is
    of another log."""
    size, back = source.estimate_entries(), 1
    while True:  # a log has a checkpoint a second: do not read them all
        start = max(0, size - back)
        rows = deque(source.checkpoints(start), maxlen=1)
        if rows:
            return read_stored_head(source, rows[0][2])
        if not start:
            raise SourceError(f"log {source.origin} has no checkpoint yet")
        back *= 16


def read_stored_head(source: LogSource, note: object) -> UnverifiedHead:
    """The claims of a stored note; raises SourceError when it is no checkpoint of this log."""
    data = note if isinstance(note, bytes) else b""
    head = read_unverified_head(data, f"a stored note of log {source.origin}")
    if head.origin != source.origin:
        raise SourceError(f"a stored checkpoint of log {source.origin} is of {head.origin[:80]!r}")
    return head


def _read_entry(source: LogSource, index: int) -> bytes:
    row = next((batch[0] for batch in source.entries(index) if batch), None)
    if row is None or row[0] != index or not isinstance(row[1], bytes):
        raise SourceError(f"entry {index} is not there: it was purged, or is missing")
    return row[1]


class _Nodes:
    """The complete subtrees that a proof asks for, level by level in 256s."""

    def __init__(self, source: LogSource, size: int, index: int) -> None:
        self._source = source
        self._size = size
        self._tiles: dict[tuple[int, int], bytes] = {}
        if not isinstance(source, TreeSource):
            self._keep_above(index)

    def read(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        start = index << height
        joined = self._read_tile(tile_level, start // TILE_WIDTH)
        first = start % TILE_WIDTH
        hashes = [
            joined[at * HASH_BYTES : (at + 1) * HASH_BYTES]
            for at in range(first, first + (1 << height))
        ]
        if len(hashes[-1]) != HASH_BYTES:
            raise ProofError(f"tile {start // TILE_WIDTH} of level {tile_level} is cut short")
        while len(hashes) > 1:
            hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    def _read_tile(self, level: int, index: int) -> bytes:
        known = self._tiles.get((level, index))
        if known is None:
            known = self._find_leaves(index) if level == 0 else self._find_tile(level, index)
            self._tiles[(level, index)] = known
        return known

    def _find_tile(self, level: int, index: int) -> bytes:
        width = tile_width(level, index, self._size)
        found = None
        if isinstance(self._source, TreeSource):
            found = self._source.find(TilePlace(level, index, width))
        if found is None:
            raise SourceError(f"tile {index} of level {level} is not there")
        return found.data

    def _find_leaves(self, index: int) -> bytes:
        start = index * TILE_WIDTH
        stop = min(start + TILE_WIDTH, self._size)
        hashes = list(self._source.leaf_hashes(start, stop))
        if len(hashes) < stop - start:  # a database has no short tile of level 0
            hashes = []
            for batch in self._source.entries(start):
                hashes += [leaf_hash(data) for _, data, _ in batch if isinstance(data, bytes)]
                if len(hashes) >= stop - start:
                    break
        return b"".join(hashes[: stop - start])

    def _keep_above(self, index: int) -> None:
        """Tiles above level 0 of a source that only streams them: those on the entry's way up, and
        the last of each level."""
        for level, place, joined in self._source.tiles():
            if not (isinstance(level, int) and isinstance(place, int) and level > 0):
                continue
            last = (self._size - 1) >> (TILE_HEIGHT * (level + 1))
            if place in (index >> (TILE_HEIGHT * (level + 1)), last) and isinstance(joined, bytes):
                self._tiles[(level, place)] = joined
