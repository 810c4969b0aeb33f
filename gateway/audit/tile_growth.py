"""A tree that grows tile by tile: which tiles become full, which are short, and the root."""

from collections.abc import Callable, Iterator, Sequence

from gateway.audit.tree import edge_of, fold
from gateway.transparency.merkle import CompactRange
from gateway.transparency.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    TilePlace,
    parse_tile,
    tile_levels,
    tile_width,
)

ReadPlace = Callable[[TilePlace], bytes]
NewTile = tuple[TilePlace, bytes]


class TileGrowth:
    """`size` leaves so far; in memory is the last tile of each level while it is short."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[list[bytes]] = [[]]

    @classmethod
    def restore(cls, size: int, read: ReadPlace) -> "TileGrowth":
        """The tree of `size` leaves, out of its short tiles; raises TileError (and what `read`
        raises) when they are not as wide as they should be."""
        made = cls()
        made.size = size
        made._levels = [_read_short(level, size, read) for level in tile_levels(size)] or [[]]
        return made

    def short_leaves(self) -> list[bytes]:
        """The leaf hashes after the last full tile."""
        return list(self._levels[0])

    def drop_short_leaves(self) -> None:
        """Go back to the last full tile of level 0."""
        self.size -= len(self._levels[0])
        self._levels[0] = []

    def add(self, leaves: Sequence[bytes]) -> list[NewTile]:
        """Add leaf hashes, at most as many as the last tile has room for; gives the tiles that
        became full by it, level 0 first."""
        self._levels[0] += leaves
        self.size += len(leaves)
        full: list[NewTile] = []
        level = 0
        while len(self._levels[level]) == TILE_WIDTH:
            hashes = self._levels[level]
            index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
            full.append((TilePlace(level, index), b"".join(hashes)))
            self._levels[level] = []
            if len(self._levels) == level + 1:
                self._levels.append([])
            self._levels[level + 1].append(fold(hashes))
            level += 1
        return full

    def short_tiles(self) -> Iterator[NewTile]:
        """The last tile of each level that is short."""
        for level, hashes in enumerate(self._levels):
            if hashes:
                index = self.size >> (TILE_HEIGHT * (level + 1))
                yield TilePlace(level, index, len(hashes)), b"".join(hashes)

    def root(self) -> bytes:
        """The RFC 6962 tree head (32 bytes)."""
        return CompactRange.from_edge(self.size, edge_of(self._levels)).root()


def _read_short(level: int, size: int, read: ReadPlace) -> list[bytes]:
    index = size >> (TILE_HEIGHT * (level + 1))
    width = tile_width(level, index, size)
    return parse_tile(read(TilePlace(level, index, width)), width) if width else []
