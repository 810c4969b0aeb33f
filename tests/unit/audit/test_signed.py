import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.signed import SignedLeaves
from gateway.audit.tree import TILE_WIDTH, LogTree, TreeError
from gateway.transparency.entry import leaf_hash

SIZES = [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792, 66_000]
LEAVES = [leaf_hash(b"%d" % number) for number in range(66_300)]


class Stored:
    """What a database holds of a tree that was signed at `size` and has grown to `later`."""

    def __init__(self, size: int, later: int) -> None:
        tree = LogTree()
        self.leaves = LEAVES[:later]
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.read: list[tuple[int, int]] = []
        for number in range(later):
            tree.append(LEAVES[number])
            if number + 1 in (size, later):
                self.tiles.update({(r.level, r.idx): r.hashes for r in tree.unstored_tiles()})
                tree.mark_stored()
            if number + 1 == size:
                self.root = tree.root()
        self.size = size

    def open(self) -> SignedLeaves:
        return SignedLeaves(self.size, self.root, self.read_tile, self.read_leaves)

    def read_tile(self, level: int, idx: int) -> bytes | None:
        self.read.append((level, idx))
        return self.tiles.get((level, idx))

    def read_leaves(self, start: int, stop: int) -> list[bytes]:
        return self.leaves[start:stop]


@pytest.mark.parametrize("later", [0, 1, 300])
@pytest.mark.parametrize("size", SIZES)
def test_every_signed_leaf_is_believed_also_when_the_log_has_grown(size: int, later: int) -> None:
    signed = Stored(size, min(size + later, len(LEAVES))).open()
    for seq in {0, 1, size // 2, max(0, size - 257), size - 2, size - 1} & set(range(size)):
        assert signed.leaf(seq) == LEAVES[seq]


def test_a_leaf_costs_its_tiles_and_no_more() -> None:
    stored = Stored(66_000, 66_000)
    signed = stored.open()
    stored.read.clear()
    for seq in range(1_000, 1_200):
        signed.leaf(seq)
    assert sorted(stored.read) == [(0, 3), (0, 4), (1, 0)]


@given(seed=st.integers(0, 2**32), size=st.sampled_from([300, 600, 65_537, 66_000]))
def test_a_changed_hash_is_not_believed(seed: int, size: int) -> None:
    dice = random.Random(seed)
    stored = Stored(size, size) if size < 1_000 else WIDE[size]
    tiles, leaves = dict(stored.tiles), list(stored.leaves)
    seq = dice.randrange(size)
    forged = leaf_hash(b"forged")
    try:
        stored.leaves[seq] = forged
        if (0, seq // TILE_WIDTH) in tiles:
            at = 32 * (seq % TILE_WIDTH)
            tile = tiles[0, seq // TILE_WIDTH]
            stored.tiles[0, seq // TILE_WIDTH] = tile[:at] + forged + tile[at + 32 :]
        with pytest.raises(TreeError):
            stored.open().leaf(seq)
    finally:
        stored.tiles, stored.leaves = tiles, leaves


WIDE = {size: Stored(size, size) for size in (65_537, 66_000)}


def test_a_missing_tile_is_named() -> None:
    stored = Stored(66_000, 66_000)
    del stored.tiles[0, 7]
    with pytest.raises(TreeError, match="tile 7 of level 0"):
        stored.open().leaf(7 * TILE_WIDTH)
    del stored.tiles[1, 1]
    with pytest.raises(TreeError, match="tile 1 of level 1"):
        stored.open()
