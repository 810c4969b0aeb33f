"""The tree in memory, its tiles, and coming back from them."""

from hashlib import sha256

import pytest

from gateway.audit.tree import LogTree, TreeError
from gateway.transparency.merkle import CompactRange, node_reader, tree_root

LEAVES = [sha256(str(at).encode()).digest() for at in range(66_400)]


def grow(size: int) -> tuple[LogTree, dict[tuple[int, int], bytes]]:
    """A tree whose tiles are stored now and then."""
    tree, stored = LogTree(), {}
    for at, leaf in enumerate(LEAVES[:size]):
        tree.append(leaf)
        if at % 397 == 0 or at == size - 1:
            stored.update({(row.level, row.idx): row.hashes for row in tree.unstored_tiles()})
            tree.mark_stored()
    return tree, stored


def restore(size: int, edge: bytes, stored: dict[tuple[int, int], bytes]) -> LogTree:
    leaves = LEAVES[size - size % 256 : size]
    return LogTree.restore(size, edge, leaves, lambda level, idx: stored.get((level, idx)))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 1_000, 65_535, 65_536, 65_900])
def test_a_restored_tree_goes_on_as_if_never_stopped(size: int) -> None:
    tree, stored = grow(size)
    again = restore(size, tree.edge_bytes(), stored)
    assert again.root() == tree.root() == tree_root(size, node_reader(LEAVES[:size]))
    for leaf in LEAVES[:600]:
        tree.append(leaf)
        again.append(leaf)
    assert again.root() == tree.root()
    assert again.unstored_tiles() == tree.unstored_tiles()


def test_tiles_hold_what_tlog_tiles_says() -> None:
    _tree, stored = grow(65_900)
    assert stored[(0, 3)] == b"".join(LEAVES[768:1024])
    first = CompactRange()
    first.extend(LEAVES[:256])
    assert stored[(1, 0)][:32] == first.root()
    assert len(stored[(1, 0)]) == 256 * 32
    assert len(stored[(1, 1)]) == 32
    assert len(stored[(2, 0)]) == 32


@pytest.mark.parametrize("tile", [(1, 0), (2, 0), (1, 1)])
def test_a_changed_missing_or_short_tile_is_refused(tile: tuple[int, int]) -> None:
    size = 65_536 + 256 * 3
    tree, stored = grow(size)
    # (1, 0) is full, so a restart does not need it: proofs do.
    needed = tile != (1, 0)
    for damaged in (bytes(len(stored[tile])), stored[tile][:-32], None):
        wrong = {**stored, tile: damaged} if damaged is not None else {**stored}
        if damaged is None:
            del wrong[tile]
        if needed:
            with pytest.raises(TreeError):
                restore(size, tree.edge_bytes(), wrong)
        else:
            assert restore(size, tree.edge_bytes(), wrong).root() == tree.root()
