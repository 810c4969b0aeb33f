"""Paths, bundles and widths of tlog-tiles."""

import random

import pytest

from gateway.transparency.errors import TileError
from gateway.transparency.tiles import (
    BUNDLE_LEVEL,
    MAX_INDEX,
    TilePlace,
    encode_bundle,
    parse_bundle,
    parse_tile,
    parse_tile_path,
    read_bundle,
    tile_levels,
    tile_width,
    tiles_of_level,
)

PATHS = {
    "tile/0/000": TilePlace(0, 0),
    "tile/0/000.p/1": TilePlace(0, 0, 1),
    "tile/1/999.p/255": TilePlace(1, 999, 255),
    "tile/0/x001/x234/067": TilePlace(0, 1_234_067),  # the specification's own example
    "tile/63/x001/000": TilePlace(63, 1_000),
    "tile/entries/x001/234": TilePlace(BUNDLE_LEVEL, 1_234),
    "tile/entries/000.p/112": TilePlace(BUNDLE_LEVEL, 0, 112),
}
REFUSED = [
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/00/000",
    "tile/01/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/0/000.p/0",
    "tile/0/000.p/01",
    "tile/0/000.p/256",
    "tile/0/000.p/",
    "tile/0/000.p",
    "tile/0/x000/001",  # a second spelling of tile 1
    "tile/0/x001",
    "tile/0/001/002",
    "tile/0/x001/x002",
    "tile/0/000/",
    "/tile/0/000",
    "tile/0/000\n",
    "tile/0/x01/000",
    "tile/0/\N{ARABIC-INDIC DIGIT ZERO}00",
    "tile/data/000",
    "tile/entries/../0/000",
    "checkpoint",
    "",
    "tile/0/" + "x999/" * 6 + "999",
    "tile/0/x040/x000/x000/x000/x000/000",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_names_one_tile_and_the_tile_that_path(path: str) -> None:
    assert parse_tile_path(path) == PATHS[path]
    assert PATHS[path].path == path


@pytest.mark.parametrize("path", REFUSED)
def test_any_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(TileError):
        parse_tile_path(path)


def test_random_places_go_both_ways() -> None:
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    for _ in range(2_000):
        index = draw.randrange(10 ** draw.randrange(1, 17)) % (MAX_INDEX + 1)
        place = TilePlace(draw.randrange(-1, 64), index, draw.randrange(1, 257))
        assert parse_tile_path(place.path) == place, f"seed {seed}"


def test_a_tree_of_70000_has_the_tiles_of_the_specifications_example() -> None:
    levels = {level: list(tiles_of_level(level, 70_000)) for level in tile_levels(70_000)}
    assert list(levels) == [0, 1, 2]
    assert (len(levels[0]), levels[0][-1]) == (274, TilePlace(0, 273, 112))
    assert levels[1] == [TilePlace(1, 0), TilePlace(1, 1, 17)]
    assert levels[2] == [TilePlace(2, 0, 1)]
    assert all(place.is_full for place in levels[0][:-1])


@pytest.mark.parametrize(
    ("size", "widths"),
    [(0, []), (1, [1]), (255, [255]), (256, [256, 1]), (257, [256, 1]), (65_536, [256, 256, 1])],
)
def test_the_first_tile_of_each_level(size: int, widths: list[int]) -> None:
    assert [tile_width(level, 0, size) for level in tile_levels(size)] == widths


def test_a_tile_is_needed_from_the_size_that_fills_its_width() -> None:
    for size in (1, 255, 256, 257, 65_535, 65_536, 70_000):
        for level in tile_levels(size):
            for place in tiles_of_level(level, size):
                assert place.needed_size() <= size
                wider = TilePlace(level, place.index, place.width + 1)
                assert place.is_full or wider.needed_size() > size


def test_a_bundle_holds_entries_of_every_length() -> None:
    entries = [b"", b"x", b"y" * 255, b"z" * 256, b"w" * 65_535]
    data = encode_bundle(entries)
    assert data[:5] == b"\x00\x00\x00\x01x"
    assert parse_bundle(data, 5) == entries
    assert read_bundle(b"") == ([], True)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_torn_bundle_gives_what_is_whole(cut: int) -> None:
    data = encode_bundle([b"first", b"x"])
    assert read_bundle(data[:-cut]) == ([b"first"], cut == 3)
    with pytest.raises(TileError):
        parse_bundle(data[:-cut], 2)


def test_a_bundle_of_another_width_is_refused() -> None:
    with pytest.raises(TileError, match="exactly 1"):
        parse_bundle(encode_bundle([b"a", b"b"]), 1)
    with pytest.raises(TileError):
        encode_bundle([b""] * 257)
    with pytest.raises(TileError):
        encode_bundle([b"x" * 65_536])


def test_a_tile_holds_exactly_its_hashes() -> None:
    assert parse_tile(bytes(31) + b"\x01" + bytes(32), 2) == [bytes(31) + b"\x01", bytes(32)]
    for width in (1, 3):
        with pytest.raises(TileError):
            parse_tile(bytes(64), width)
