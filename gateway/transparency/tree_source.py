"""What the sources over a tree of files (docs/formats.md section 13) have in common: a folder and a
web address differ in how one file is read."""

import base64
import binascii
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from gateway.transparency.checkpoint import MAX_SIZE
from gateway.transparency.closeable import Closeable
from gateway.transparency.entry import HASH_BYTES
from gateway.transparency.errors import SourceError
from gateway.transparency.notes import MAX_NOTE_BYTES
from gateway.transparency.source import Opener, Row, StoredRow
from gateway.transparency.tiles import (
    BUNDLE_LEVEL,
    CHECKPOINT_PATH,
    MAX_BUNDLE_BYTES,
    TILE_BYTES,
    TILE_WIDTH,
    TilePlace,
    read_bundle,
    tile_levels,
    tiles_of_level,
)

# A checkpoint is not believed before its signature is checked. If it claims a size that nothing
# stands behind, reading ends after so many tiles in a row that are not there.
_MAX_ABSENT = 256


@dataclass(frozen=True, slots=True)
class UnverifiedHead:
    """What a checkpoint's text claims, before anybody looked at its signature."""

    origin: str
    size: int
    root: bytes
    note: bytes


def read_unverified_head(note: bytes, place: str) -> UnverifiedHead:
    """The claims of a checkpoint's text; raises SourceError when it has not its form."""
    try:
        lines = note[:MAX_NOTE_BYTES].decode().split("\n", 3)
        origin, size_text, root_text, _ = lines
        size = int(size_text) if size_text.isascii() and size_text.isdigit() else -1
        root = base64.b64decode(root_text, validate=True)
    except (ValueError, binascii.Error):
        raise SourceError(f"{place} is not a checkpoint") from None
    if not origin or not 0 <= size <= MAX_SIZE or len(root) != HASH_BYTES:
        raise SourceError(f"{place} is not a checkpoint")
    return UnverifiedHead(origin, size, root, note)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a place; `is_wider` when it was cut out of the full tile, because the partial
    one is gone (which tlog-tiles allows)."""

    data: bytes
    is_wider: bool = False


class TreeSource(Closeable):
    """A `LogSource` over a tree of files, as far as one checkpoint of it reaches.

    A row's leaf hash is the one in the level 0 tile, None where there is none. `tiles` gives every
    tile that the checkpoint's size asks for, with None for hashes that are not there.
    """

    def __init__(self, name: str, log: str | None, note: bytes | None = None) -> None:
        """Read the checkpoint, unless `note` is the one to take. Raises SourceError when there is
        none, or it is another log's than `log`."""
        self.name = name
        if note is None:
            note = self.read(CHECKPOINT_PATH, MAX_NOTE_BYTES)
        if note is None:
            raise SourceError(f"{name} holds no log: there is no file {CHECKPOINT_PATH!r} in it")
        self.head = read_unverified_head(note, f"{name}/{CHECKPOINT_PATH}")
        if log is not None and self.head.origin != log:
            raise SourceError(f"{name} holds no log {log!r}, but {self.head.origin!r}")

    @abstractmethod
    def read(self, path: str, limit: int) -> bytes | None:
        """The file at `path`, at most `limit` + 1 bytes of it; None when it is not there. Raises
        SourceError when that cannot be said."""

    @property
    def origin(self) -> str:
        """The log's name, as its checkpoint says."""
        return self.head.origin

    @property
    def only_checkpoint(self) -> bytes:
        """As OneCheckpointSource."""
        return self.head.note

    def estimate_entries(self) -> int:
        """The size that the checkpoint claims."""
        return self.head.size

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        """A bundle of rows each time; entries whose bundle is not there are left out."""
        places = tiles_of_level(BUNDLE_LEVEL, self.head.size, first // TILE_WIDTH)
        pairs = ((place, TilePlace(0, place.index, place.width)) for place in places)
        absent = 0
        for (place, _), (bundle, tile) in self.find_each(pairs):
            absent = absent + 1 if bundle is None and tile is None else 0
            if absent > _MAX_ABSENT:
                return
            rows = self._rows(place, bundle, tile)
            if place.index == first // TILE_WIDTH:
                rows = [row for row in rows if isinstance(row[0], int) and row[0] >= first]
            if rows:
                yield rows

    def checkpoints(self, from_size: int = 0) -> Iterator[StoredRow]:
        """The one checkpoint."""
        if self.head.size >= from_size:
            yield self.head.size, self.head.root, self.head.note

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        """As LogSource: out of level 0 tiles, up to the first that is not there."""
        found: list[bytes] = []
        places = tiles_of_level(0, self.head.size, first // TILE_WIDTH)
        wanted = takewhile(lambda place: place.index * TILE_WIDTH < stop, places)
        for (place,), (tile,) in self.find_each((place,) for place in wanted):
            hashes = _split(tile)[: place.width]
            found += hashes
            if len(hashes) < place.width:
                break
        skipped = first % TILE_WIDTH
        return found[skipped : skipped + max(stop - first, 0)]

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        """As LogSource; None for the hashes of a tile that is not there."""
        for level in tile_levels(self.head.size):
            absent = 0
            places = tiles_of_level(level, self.head.size)
            for (place,), (found,) in self.find_each((place,) for place in places):
                absent = absent + 1 if found is None else 0
                if absent > _MAX_ABSENT:
                    break
                odd = found and self.find_odd_partial(place, found.data)
                yield level, place.index, odd or (found.data if found else None)

    def find(self, place: TilePlace) -> Found | None:
        """What stands at `place`, or the beginning of the full tile there."""
        limit = MAX_BUNDLE_BYTES if place.is_bundle else TILE_BYTES
        data = self.read(place.path, limit)
        if data is not None or place.is_full:
            return None if data is None else Found(data)
        data = self.read(place.full.path, limit)
        if data is None:
            return None
        return Found(data if place.is_bundle else data[: place.width * HASH_BYTES], is_wider=True)

    def find_each(
        self, groups: Iterable[tuple[TilePlace, ...]]
    ) -> Iterator[tuple[tuple[TilePlace, ...], tuple[Found | None, ...]]]:
        """Each group of places with what stands there, in order."""
        for places in groups:
            yield places, tuple(map(self.find, places))

    def find_odd_partial(self, place: TilePlace, data: bytes) -> bytes | None:
        """A narrower tile at the same place that is not the beginning of `data`, if there is one;
        where nobody can say which there are, None."""
        return None

    def tail_problem(self) -> str | None:
        """As LogSource."""
        return None

    def opener(self) -> "Opener | None":
        """As LogSource."""
        return None

    def close(self) -> None:
        """As LogSource."""
        return

    def _rows(self, place: TilePlace, bundle: Found | None, tile: Found | None) -> list[Row]:
        if bundle is None:
            return []
        hashes = _split(tile)
        rows = _rows_of(place, bundle, hashes)
        odd = self.find_odd_partial(place, bundle.data)
        if odd is not None:
            # Evidence that contradicts itself: the row that differs is the one to be judged.
            narrow = TilePlace(place.level, place.index, min(place.width, TILE_WIDTH - 1))
            shown = _rows_of(narrow, Found(odd), hashes)
            rows[: len(shown)] = shown
        return rows


def _rows_of(place: TilePlace, bundle: Found, hashes: Sequence[bytes]) -> list[Row]:
    """The rows of a bundle; where it breaks off, or has more than it may, a row without bytes."""
    entries, is_whole = read_bundle(bundle.data)
    is_long = not bundle.is_wider and len(entries) > place.width
    start = place.index * TILE_WIDTH
    padded: list[bytes | None] = [*hashes, *[None] * place.width]
    rows: list[Row] = [
        (start + at, data, padded[at]) for at, data in enumerate(entries[: place.width])
    ]
    if is_long or (not is_whole and len(entries) < place.width):
        del rows[place.width - 1 :]
        rows.append((start + len(rows), None, padded[len(rows)]))
    elif not is_whole and not bundle.is_wider:
        rows[-1] = (start + len(rows) - 1, None, padded[len(rows) - 1])
    return rows


def _split(tile: Found | None) -> list[bytes]:
    if tile is None:
        return []
    data = tile.data[:TILE_BYTES]
    whole = len(data) - len(data) % HASH_BYTES
    return [data[at : at + HASH_BYTES] for at in range(0, whole, HASH_BYTES)]
