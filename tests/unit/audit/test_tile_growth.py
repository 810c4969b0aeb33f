"""A tree that grows tile by tile has the tiles and the root of the whole one."""

import hashlib
import random

import pytest

from gateway.audit.tile_growth import NewTile, TileGrowth
from gateway.transparency.errors import TileError
from gateway.transparency.merkle import node_reader, tree_root
from gateway.transparency.tiles import TILE_WIDTH, parse_tile_path, tile_levels, tiles_of_level
from tests.fakes.trees import join_hashes

LEAVES = [hashlib.sha256(b"%d" % at).digest() for at in range(70_000)]
READ_NODE = node_reader(LEAVES)


def grow(growth: TileGrowth, size: int) -> list[NewTile]:
    full: list[NewTile] = []
    while growth.size < size:
        stop = min(size, growth.size - growth.size % TILE_WIDTH + TILE_WIDTH)
        full += growth.add(LEAVES[growth.size : stop])
    return full


def expected(size: int) -> dict[str, bytes]:
    return {
        place.path: join_hashes(place, READ_NODE)
        for level in tile_levels(size)
        for place in tiles_of_level(level, size)
    }


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 70_000])
def test_tiles_and_root_are_those_of_the_tree(size: int) -> None:
    growth = TileGrowth()
    full = grow(growth, size)
    assert {place.path: data for place, data in [*full, *growth.short_tiles()]} == expected(size)
    assert growth.root() == tree_root(size, READ_NODE)


def test_it_goes_on_from_its_short_tiles_at_any_size() -> None:
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    for _ in range(20):
        old, new = sorted(draw.randrange(70_000) for _ in range(2))
        stored = expected(old)
        by_place = {parse_tile_path(path): data for path, data in stored.items()}
        growth = TileGrowth.restore(old, by_place.__getitem__)
        assert growth.root() == tree_root(old, READ_NODE), f"seed {seed}"
        growth.drop_short_leaves()
        assert growth.size == old - old % TILE_WIDTH
        grow(growth, new)
        assert growth.root() == tree_root(new, READ_NODE), f"seed {seed}"


def test_a_short_tile_of_another_width_is_refused() -> None:
    with pytest.raises(TileError):
        TileGrowth.restore(300, lambda place: bytes(32))
