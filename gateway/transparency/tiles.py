"""Tiles and entry bundles: a log as a tree of files (https://c2sp.org/tlog-tiles).

    checkpoint                      the newest signed note
    tile/<L>/<N>[.p/<W>]            up to 256 hashes of tree level 8 * L
    tile/entries/<N>[.p/<W>]        up to 256 entries, each after its length in two bytes

<N> in groups of three digits, all but the last after an `x`; `.p/<W>` stands where fewer than 256
are there yet. Pure: paths and bytes alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.transparency.entry import HASH_BYTES, MAX_ENTRY_BYTES
from gateway.transparency.errors import TileError

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_LEVEL = 63
MAX_INDEX = (1 << 63) // TILE_WIDTH
LENGTH_BYTES = 2
MAX_BUNDLE_BYTES = TILE_WIDTH * (LENGTH_BYTES + MAX_ENTRY_BYTES)
CHECKPOINT_PATH = "checkpoint"

_GROUP = 1_000
_ENTRIES = "entries"
_PATH = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class TilePlace:
    """Which tile: `level` 0 to 63, or -1 for a bundle of entries; `width` 1 to 256 of the 256 that
    it will hold in the end."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def is_bundle(self) -> bool:
        """Whether it holds entries, not hashes."""
        return self.level == BUNDLE_LEVEL

    @property
    def is_full(self) -> bool:
        """Whether it will not grow any more."""
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """Where it stands below the tree's prefix."""
        kind = _ENTRIES if self.is_bundle else str(self.level)
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{kind}/{_index_path(self.index)}{partial}"

    @property
    def full(self) -> "TilePlace":
        """The same place once it is full."""
        return TilePlace(self.level, self.index)

    def needed_size(self) -> int:
        """The size of the smallest tree that has it."""
        height = TILE_HEIGHT * max(self.level, 0)
        return (self.index * TILE_WIDTH + self.width) << height


BUNDLE_LEVEL = -1


def parse_tile_path(path: str) -> TilePlace:
    """The tile that stands at `path` (without prefix or leading slash); raises TileError for any
    other spelling than the one of `TilePlace.path`."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileError(f"no path of a tile: {path[:120]!r}")
    kind, groups, width = match.groups()
    place = TilePlace(
        level=BUNDLE_LEVEL if kind == _ENTRIES else int(kind),
        index=int(groups.replace("x", "").replace("/", "")),
        width=TILE_WIDTH if width is None else int(width),
    )
    if place.level > MAX_LEVEL or place.index > MAX_INDEX or not 0 < place.width <= TILE_WIDTH:
        raise TileError(f"no path of a tile: {path[:120]!r}")
    if place.path != path:  # a second spelling would be a second file for the same tile
        raise TileError(f"{path[:120]!r} is spelled {place.path!r}")
    return place


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes (or entries) the tile has in a tree of `size` entries; 0: it has none."""
    count = size >> (TILE_HEIGHT * max(level, 0))
    return max(0, min(TILE_WIDTH, count - index * TILE_WIDTH))


def tile_levels(size: int) -> range:
    """The levels that have a tile in a tree of `size` entries."""
    level = 0
    while size >> (TILE_HEIGHT * level):
        level += 1
    return range(level)


def tiles_of_level(level: int, size: int, first_index: int = 0) -> Iterator[TilePlace]:
    """The tiles of one level (or the bundles) of a tree of `size` entries, in order."""
    index = first_index
    while width := tile_width(level, index, size):
        yield TilePlace(level, index, width)
        index += 1


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The entry bundle of up to 256 entries; raises TileError when they do not fit."""
    if len(entries) > TILE_WIDTH or any(len(data) > MAX_ENTRY_BYTES for data in entries):
        raise TileError("a bundle has at most 256 entries of at most 65,535 bytes")
    return b"".join(len(data).to_bytes(LENGTH_BYTES, "big") + data for data in entries)


def read_bundle(data: bytes) -> tuple[list[bytes], bool]:
    """The entries of a bundle as far as they are whole, and whether they are all of `data`."""
    found: list[bytes] = []
    at, end = 0, len(data)
    while at + LENGTH_BYTES <= end:
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if at > end:
            return found, False
        found.append(data[start:at])
    return found, at == end


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle; raises TileError unless it holds exactly these."""
    found, is_whole = read_bundle(data)
    if not is_whole or len(found) != width:
        raise TileError(f"a bundle of {len(data)} bytes does not hold exactly {width} entries")
    return found


def parse_tile(data: bytes, width: int) -> list[bytes]:
    """The `width` hashes of a tile; raises TileError unless it holds exactly these."""
    if len(data) != width * HASH_BYTES:
        raise TileError(f"a tile of {len(data)} bytes does not hold exactly {width} hashes")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _index_path(index: int) -> str:
    groups = [f"{index % _GROUP:03d}"]
    while index := index // _GROUP:
        groups.append(f"x{index % _GROUP:03d}")
    return "/".join(reversed(groups))
