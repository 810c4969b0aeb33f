"""Logs as trees of files, written plainly, without the exporter."""

from collections.abc import Sequence
from pathlib import Path

from gateway import canonical
from gateway.clock import format_time, parse_time
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.merkle import ReadNode, node_reader, tree_root
from gateway.transparency.notes import Signer
from gateway.transparency.tiles import (
    BUNDLE_LEVEL,
    TILE_HEIGHT,
    TILE_WIDTH,
    TilePlace,
    encode_bundle,
    tile_levels,
    tiles_of_level,
)
from tests.fakes.log import ACTOR
from tests.fakes.sql_logs import SIGNER

START_US = parse_time("2026-01-02T03:04:05.000006Z")


def make_entries(count: int, signer: Signer = SIGNER) -> list[bytes]:
    """A chain of entries, the first of which opens the log."""
    made: list[bytes] = []
    prev = GENESIS
    for seq in range(count):
        type_ = "test.note" if seq else "log.opened"
        body = {"note": f"entry {seq}"} if seq else {"checkpoint_key": signer.vkey}
        encoded = canonical.encode({**body})
        made.append(
            encode_entry(signer.name, seq, prev, START_US + seq * 1_000, type_, ACTOR, encoded)
        )
        prev = leaf_hash(made[-1])
    return made


def sign_head(entries: Sequence[bytes], signer: Signer = SIGNER) -> str:
    """The checkpoint over the entries."""
    read_node = node_reader([leaf_hash(data) for data in entries])
    return sign_checkpoint(len(entries), tree_root(len(entries), read_node), signer).note


def tree_files(entries: Sequence[bytes], signer: Signer = SIGNER) -> dict[str, bytes]:
    """Every file of the tree by its path, the checkpoint last."""
    read_node = node_reader([leaf_hash(data) for data in entries])
    size = len(entries)
    files: dict[str, bytes] = {}
    for place in tiles_of_level(BUNDLE_LEVEL, size):
        start = place.index * TILE_WIDTH
        files[place.path] = encode_bundle(entries[start : start + place.width])
    for level in tile_levels(size):
        for place in tiles_of_level(level, size):
            files[place.path] = join_hashes(place, read_node)
    files["checkpoint"] = sign_head(entries, signer).encode()
    return files


def join_hashes(place: TilePlace, read_node: ReadNode) -> bytes:
    """A tile's bytes."""
    first = place.index * TILE_WIDTH
    height = place.level * TILE_HEIGHT
    return b"".join(read_node(height, at) for at in range(first, first + place.width))


def write_tree(folder: Path, entries: Sequence[bytes], signer: Signer = SIGNER) -> None:
    """Write the tree below `folder`, beside what stands there."""
    for path, data in tree_files(entries, signer).items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def read_tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shown_time(seq: int) -> str:
    """The time that `make_entries` gives to an entry."""
    return format_time(START_US + seq * 1_000)
