"""Stored tiles, held against the tree while the entries are read. Only the first that does not hold
is kept, and it counts when the entries themselves hold."""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from gateway.canonical import Value
from gateway.transparency.finding import Finding
from gateway.transparency.growth import EMPTY_RUN, TILE_HEIGHT, TILE_WIDTH, GrowingTree, run_on
from gateway.transparency.source import LogSource
from gateway.transparency.verdict import Word

HASH_BYTES = 32
_MOST_UNSTORED = 4_096

TileRow: TypeAlias = tuple[object, object, object]


class StoredTiles:
    """Level 0 as the leaves come, the levels above at the end, as far as the newest stored
    checkpoint reaches. A source that keeps none has none that could be wrong."""

    def __init__(self, source: LogSource, *, must_be: bool) -> None:
        """`must_be`: a database that has the other tables has tiles, too."""
        self._rows = source.tiles()
        self._ahead: deque[TileRow] = deque()
        self._must_be = must_be
        self._sealed = 0
        self._heads: tuple[bytes, ...] = ()
        # Tiles past the newest checkpoint are not stored yet: SHA-256 of each, for when they are.
        self._unstored: dict[int, bytes] = {}
        self.problem: Finding | None = None
        self._are_kept = must_be or self._row is not None

    def take(self, index: int, leaves: Sequence[bytes]) -> None:
        """Compare the next full tile of level 0."""
        if self.problem is not None or not self._are_kept:
            return
        row = self._row
        if row is None or row[0] != 0:
            if len(self._unstored) < _MOST_UNSTORED:
                self._unstored[index] = hashlib.sha256(b"".join(leaves)).digest()
        elif row[1] != index or row[2] is None:
            self._miss(0, index)
        else:
            if row[2] != b"".join(leaves):
                self._refuse(0, index)
            self._advance()

    def take_many(self, index: int, count: int, digest: bytes) -> bool:
        """The same for `count` tiles of which only SHA-256 over all hashes is known; False, and
        then none is taken, unless all of them are stored and agree."""
        if not self._are_kept:
            return True
        while len(self._ahead) < count and (row := next(self._rows, None)) is not None:
            self._ahead.append(row)
        if self.problem is not None or len(self._ahead) < count:
            return False
        joined = hashlib.sha256()
        for at in range(count):
            level, place, hashes = self._ahead[at]
            if level != 0 or place != index + at or not isinstance(hashes, bytes):
                return False
            joined.update(hashes)
        if joined.digest() != digest:
            return False
        for _ in range(count):
            self._ahead.popleft()
        return True

    def seal(self, size: int, tree: GrowingTree) -> None:
        """The newest stored checkpoint so far holds; tiles reach as far."""
        self._sealed = size
        if tree.runs is not None:
            self._heads = tree.runs.heads

    def as_value(self) -> dict[str, Value]:
        """The state, to be kept."""
        return {
            "sealed": self._sealed,
            "heads": [head.hex() for head in self._heads],
            "unstored": {str(index): one.hex() for index, one in self._unstored.items()},
        }

    def restore(self, value: Mapping[str, Any], index: int) -> None:
        """Take the state that `as_value` gave; tiles of level 0 before `index` were compared."""
        self._sealed = int(value["sealed"])
        self._heads = tuple(bytes.fromhex(head) for head in value["heads"])
        unstored = {int(at): bytes.fromhex(one) for at, one in value["unstored"].items()}
        while (row := self._row) is not None and row[0] == 0 and _is_below(row[1], index):
            wanted = unstored.pop(row[1], None) if isinstance(row[1], int) else None
            joined = row[2] if isinstance(row[2], bytes) else b""
            if wanted is not None and hashlib.sha256(joined).digest() != wanted:
                self._refuse(0, row[1])
            self._advance()
        self._unstored = unstored

    def finish(self, tree: GrowingTree) -> None:
        """All entries were read: what is left are the last tile of level 0 and those above."""
        if self.problem is not None or not self._are_kept or tree.runs is None:
            return
        first = min(self._unstored, default=None)
        if first is not None and first < self._sealed // TILE_WIDTH:
            self._miss(0, first)
            return
        self._finish_level_0(tree)
        level = 1
        while self.problem is None and self._sealed >> (TILE_HEIGHT * level):
            self._finish_level(level)
            level += 1
        if self._row is not None:
            self._refuse(*self._row[:2])

    def _finish_level_0(self, tree: GrowingTree) -> None:
        """A tree of files has the last tile, too, though it is short."""
        row = self._row
        if row is None or row[0] != 0:
            return
        full, width = divmod(self._sealed, TILE_WIDTH)
        is_last = row[1] == full and width and tree.size // TILE_WIDTH == full
        if is_last and row[2] is None:
            self._miss(0, full)
        elif not is_last or row[2] != b"".join(tree.tile[:width]):
            self._refuse(0, row[1])
        self._advance()

    def _finish_level(self, level: int) -> None:
        wanted, head, index = self._sealed >> (TILE_HEIGHT * level), EMPTY_RUN, 0
        while wanted:
            row, width = self._row, min(wanted, TILE_WIDTH)
            if row is None or row[0] != level or row[1] != index or row[2] is None:
                self._miss(level, index)
                return
            joined = row[2]
            if not isinstance(joined, bytes) or len(joined) != width * HASH_BYTES:
                self._refuse(level, index)
                return
            for at in range(0, len(joined), HASH_BYTES):
                head = run_on(head, joined[at : at + HASH_BYTES])
            self._advance()
            wanted -= width
            index += 1
        if level > len(self._heads) or head != self._heads[level - 1]:
            self._refuse(level, None)

    @property
    def _row(self) -> TileRow | None:
        if not self._ahead and (row := next(self._rows, None)) is not None:
            self._ahead.append(row)
        return self._ahead[0] if self._ahead else None

    def _advance(self) -> None:
        self._ahead.popleft()

    def _miss(self, level: int, index: object) -> None:
        sentence = f"Stored tile {index} of level {level} is missing; the entries hold."
        self.problem = self.problem or Finding(Word.TAMPERED, None, sentence)

    def _refuse(self, level: object, index: object) -> None:
        which = f"Stored tile {index}" if index is not None else "A stored tile"
        sentence = f"{which} of level {level} is not what the entries give; the entries hold."
        self.problem = self.problem or Finding(Word.TAMPERED, None, sentence)


def _is_below(place: object, index: int) -> bool:
    return isinstance(place, int) and place < index
