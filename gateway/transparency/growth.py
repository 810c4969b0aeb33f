"""The tree as verification grows it: whole tiles at a time, with what the stored tiles of higher
levels must hold kept as one running hash a level."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.canonical import Value
from gateway.transparency.merkle import HASH_BYTES, CompactRange

TILE_WIDTH = 256
TILE_HEIGHT = 8
EMPTY_RUN = bytes(32)

OnTile = Callable[[int, list[bytes]], None]


class GrowingTree:
    """`size` leaves. `on_tile(index, leaves)` is told of each full tile of level 0."""

    def __init__(self, base: CompactRange | None = None, on_tile: OnTile | None = None) -> None:
        """`base`: what lies before, of which only the right edge is known."""
        self._range = base or CompactRange()
        # The leaves of the last tile while it is short; the range gets it as one subtree.
        self._tile: list[bytes] = []
        self._loose = -self._range.size % TILE_WIDTH  # leaves that fall in a tile known in part
        self._on_tile = on_tile
        self.runs = Runs() if not self._range.size else None

    @property
    def size(self) -> int:
        """How many leaves."""
        return self._range.size + len(self._tile)

    @property
    def tile(self) -> Sequence[bytes]:
        """The leaves of the last tile while it is short."""
        return self._tile

    @property
    def is_aligned(self) -> bool:
        """Whether it ends with a full tile."""
        return not self._tile and not self._loose

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes in order."""
        at, count = 0, len(leaves)
        if self._loose:
            at = min(self._loose, count)
            self._range.extend(leaves[:at])
            self._loose -= at
        tile = self._tile
        while at < count:
            room = TILE_WIDTH - len(tile)
            tile += leaves[at : at + room]
            at += room
            if len(tile) == TILE_WIDTH:
                if self._on_tile:
                    self._on_tile(self._range.size // TILE_WIDTH, tile)
                self.append_node(fold(tile))
                tile.clear()

    def append_node(self, node: bytes) -> None:
        """Add the root over one full tile; the tile before must be full."""
        self._range.append_subtree(TILE_HEIGHT, node)
        if self.runs is not None:
            self.runs.append(node)

    def range(self) -> CompactRange:
        """The right edge with all leaves in it, to be read or grown apart."""
        made = self._range.copy()
        made.extend(self._tile)
        return made

    def as_value(self) -> dict[str, Value]:
        """The state, to be kept."""
        return {
            "size": self._range.size,
            "edge": self._range.edge_bytes().hex(),
            "tile": b"".join(self._tile).hex(),
            "loose": self._loose,
            "runs": None if self.runs is None else self.runs.as_value(),
        }

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take the state that `as_value` gave; raises ProofError, KeyError, ValueError."""
        self._range = CompactRange.from_edge(value["size"], bytes.fromhex(value["edge"]))
        joined = bytes.fromhex(value["tile"])
        self._tile = [joined[at : at + 32] for at in range(0, len(joined), 32)]
        self._loose = value["loose"]
        self.runs = None if value["runs"] is None else Runs.restored(value["runs"])


def with_edge(tree: CompactRange, size: int, edge: bytes) -> CompactRange:
    """Another range of `size`: `tree`, which ends with a full tile, and the right edge within the
    next tile; raises ProofError."""
    made = tree.copy()
    width = size - made.size
    for bit in range(TILE_HEIGHT - 1, -1, -1):
        if width & (1 << bit):
            made.append_subtree(bit, edge[:HASH_BYTES])
            edge = edge[HASH_BYTES:]
    return made


class Runs:
    """What stored tiles of level 1 and above must hold: of each level how many nodes there are,
    and a hash over them all, one after the other."""

    def __init__(self) -> None:
        self.heads: tuple[bytes, ...] = ()
        self._nodes: list[list[bytes]] = []

    def append(self, node: bytes, level: int = 0) -> None:
        """The next node of tile level `level` + 1."""
        heads = list(self.heads)
        while True:
            if level == len(self._nodes):
                self._nodes.append([])
                heads.append(EMPTY_RUN)
            heads[level] = run_on(heads[level], node)
            nodes = self._nodes[level]
            nodes.append(node)
            if len(nodes) < TILE_WIDTH:
                break
            node = fold(nodes)
            nodes.clear()
            level += 1
        self.heads = tuple(heads)

    def as_value(self) -> dict[str, Value]:
        """The state, to be kept."""
        return {
            "heads": [head.hex() for head in self.heads],
            "nodes": [[node.hex() for node in nodes] for nodes in self._nodes],
        }

    @classmethod
    def restored(cls, value: Mapping[str, Any]) -> "Runs":
        """The runs of which `as_value` gave the state."""
        made = cls()
        made.heads = tuple(bytes.fromhex(head) for head in value["heads"])
        made._nodes = [[bytes.fromhex(node) for node in nodes] for nodes in value["nodes"]]
        return made


def run_on(head: bytes, node: bytes) -> bytes:
    """The running hash after one more node."""
    return hashlib.sha256(head + node).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of sibling subtrees."""
    sha256 = hashlib.sha256
    while len(hashes) > 1:
        pairs = iter(hashes)
        # The same iterator twice: neighbours.
        hashes = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(pairs, pairs, strict=True)
        ]
    return hashes[0]
