"""Leaf hashes of entries that a checkpoint signed, believed only where stored tiles lead from them
to the signed root: a tile of 256 hashes for each, whatever the size of the log."""

from collections.abc import Callable

from gateway.audit.tree import TILE_BITS, TILE_WIDTH, ReadTile, TreeError, edge_of, fold
from gateway.audit.tree import split_hashes as split
from gateway.transparency.merkle import CompactRange

ReadLeaves = Callable[[int, int], list[bytes]]


class SignedLeaves:
    """The leaves below `size` of the tree with this root (32 bytes). What is stored may have grown
    since: a tile begins as it did then."""

    def __init__(
        self, size: int, root: bytes, read_tile: ReadTile, read_leaves: ReadLeaves
    ) -> None:
        """`read_leaves(start, stop)` gives the stored leaf hashes of entries start..stop-1. Raises
        TreeError (or ProofError) unless the right edge of what is stored has the root."""
        self.size = size
        self._read_tile = read_tile
        self._believed: dict[tuple[int, int], list[bytes]] = {}
        edge: list[list[bytes]] = []
        level = 0
        while size >> (TILE_BITS * level):
            width = (size >> (TILE_BITS * level)) % TILE_WIDTH
            idx = size >> (TILE_BITS * (level + 1))
            if level == 0:
                hashes = read_leaves(size - width, size) if width else []
            else:
                hashes = split(read_tile(level, idx) or b"")[:width] if width else []
            if len(hashes) != width:
                raise TreeError(f"tile {idx} of level {level} is cut short")
            edge.append(hashes)
            self._believed[level, idx] = hashes
            level += 1
        if CompactRange.from_edge(size, edge_of(edge)).root() != root:
            raise TreeError(f"the stored tiles do not lead to the root signed at size {size}")

    def leaf(self, seq: int) -> bytes:
        """The leaf hash of entry `seq`, which must be below the size; raises TreeError."""
        return self._tile(0, seq // TILE_WIDTH)[seq % TILE_WIDTH]

    def _tile(self, level: int, idx: int) -> list[bytes]:
        known = self._believed.get((level, idx))
        if known is None:
            known = split(self._read_tile(level, idx) or b"")
            above = self._tile(level + 1, idx // TILE_WIDTH)
            if len(known) != TILE_WIDTH or fold(known) != above[idx % TILE_WIDTH]:
                raise TreeError(f"tile {idx} of level {level} is not the one that was signed")
            self._believed[level, idx] = known
        return known
