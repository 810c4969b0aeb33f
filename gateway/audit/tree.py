"""The log's tree in memory: right edge, head of the hash chain, and the tiles not stored yet."""

from collections.abc import Callable

from gateway.storage.log_store import TileRow
from gateway.transparency.entry import GENESIS, HASH_BYTES
from gateway.transparency.merkle import CompactRange, node_hash

TILE_WIDTH = 256
TILE_BITS = 8

ReadTile = Callable[[int, int], bytes | None]


class TreeError(Exception):
    """Stored tiles do not belong to the tree; never leaves the package."""


class LogTree:
    """A growing tree. `size` entries, `head` the leaf hash of the last one (32 zeros before)."""

    def __init__(self) -> None:
        self._size = 0
        # _levels[k]: the hashes of the last tile of tile level k while it is short.
        self._levels: list[list[bytes]] = [[]]
        self._full: list[TileRow] = []
        self._grown: set[int] = set()
        self.head = GENESIS

    @classmethod
    def restore(cls, size: int, edge: bytes, leaves: list[bytes], read_tile: ReadTile) -> "LogTree":
        """The tree at a checkpoint: its edge, the `size % 256` last leaf hashes and the stored
        tiles; raises TreeError (or ProofError) unless the tiles lead to the same edge. The caller
        compares `root` with the signed one, and sets `head`."""
        made = cls()
        made._size = size
        made._levels = [leaves]
        level = 1
        while size >> (TILE_BITS * level):
            made._levels.append(_read_short_tile(size, level, read_tile))
            level += 1
        if edge_of(made._levels) != edge:
            raise TreeError(f"the stored tiles do not lead to the right edge at size {size}")
        return made

    @property
    def size(self) -> int:
        """How many entries."""
        return self._size

    def root(self) -> bytes:
        """The RFC 6962 tree head (32 bytes); hashes the last tiles, so ask once a checkpoint."""
        return CompactRange.from_edge(self._size, self.edge_bytes()).root()

    def edge_bytes(self) -> bytes:
        """The right edge, from which `restore` goes on."""
        return edge_of(self._levels)

    def append(self, leaf: bytes) -> None:
        """Add the next entry's leaf hash."""
        self._size += 1
        self.head = leaf
        tile = self._levels[0]
        tile.append(leaf)
        if len(tile) == TILE_WIDTH:
            self._close_tile(0)

    def unstored_tiles(self) -> list[TileRow]:
        """Tiles that became full, and short ones above level 0 that grew, since `mark_stored`."""
        short = [
            TileRow(level, self.size >> (TILE_BITS * (level + 1)), b"".join(self._levels[level]))
            for level in sorted(self._grown)
            if self._levels[level]
        ]
        return self._full + short

    def mark_stored(self) -> None:
        """The unstored tiles are durable."""
        self._full = []
        self._grown = set()

    def _close_tile(self, level: int) -> None:
        hashes = self._levels[level]
        idx = (self.size >> (TILE_BITS * (level + 1))) - 1
        self._full.append(TileRow(level, idx, b"".join(hashes)))
        self._levels[level] = []
        if len(self._levels) == level + 1:
            self._levels.append([])
        above = self._levels[level + 1]
        above.append(fold(hashes))
        self._grown.add(level + 1)
        if len(above) == TILE_WIDTH:
            self._close_tile(level + 1)


def edge_of(levels: list[list[bytes]]) -> bytes:
    """The right edge, by the hashes of the last tile of each level, lowest first, while it is
    short."""
    edge: list[bytes] = []
    for hashes in reversed(levels):
        at = 0
        for bit in range(TILE_BITS - 1, -1, -1):
            if len(hashes) & (1 << bit):
                edge.append(fold(hashes[at : at + (1 << bit)]))
                at += 1 << bit
    return b"".join(edge)


def fold(hashes: list[bytes]) -> bytes:
    """The root over a power of two of sibling subtrees."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def split_hashes(joined: bytes) -> list[bytes]:
    """A tile's hashes."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def _read_short_tile(size: int, level: int, read_tile: ReadTile) -> list[bytes]:
    width = (size >> (TILE_BITS * level)) % TILE_WIDTH
    if width == 0:
        return []
    idx = size >> (TILE_BITS * (level + 1))
    joined = read_tile(level, idx)
    if joined is None or len(joined) != width * HASH_BYTES:
        raise TreeError(f"tile {idx} of level {level} does not belong to size {size}")
    return split_hashes(joined)
