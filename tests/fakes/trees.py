"""Logs as trees of files, written plainly, without the exporter."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from gateway import canonical
from gateway.clock import format_time, parse_time
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.merkle import ReadNode, node_reader, tree_root
from gateway.transparency.notes import Signer
from gateway.transparency.source import Opener, Row, StoredRow
from gateway.transparency.tiles import (
    BUNDLE_LEVEL,
    TILE_HEIGHT,
    TILE_WIDTH,
    TilePlace,
    encode_bundle,
    tile_levels,
    tiles_of_level,
)
from gateway.transparency.tree_source import read_unverified_head
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


class ListSource:
    """A `LogSource` over entries in memory, with a checkpoint at each of `sizes` and without the
    `absent` entries, whose hashes stand in level 0 tiles alone."""

    def __init__(
        self,
        entries: Sequence[bytes],
        sizes: Sequence[int] = (),
        absent: Collection[int] = (),
        signer: Signer = SIGNER,
    ) -> None:
        self.origin = signer.name
        self._entries = entries
        self._absent = absent
        self._hashes = [leaf_hash(data) for data in entries]
        read_node = node_reader(self._hashes)
        self._notes = [
            sign_checkpoint(size, tree_root(size, read_node), signer).note.encode()
            for size in sizes or [len(entries)]
        ]

    def estimate_entries(self) -> int:
        return len(self._entries)

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        for start in range(first, len(self._entries), 100):
            span = range(start, min(start + 100, len(self._entries)))
            yield [
                (seq, self._entries[seq], self._hashes[seq])
                for seq in span
                if seq not in self._absent
            ]

    def checkpoints(self, from_size: int = 0) -> Iterator[StoredRow]:
        for note in self._notes:
            head = read_unverified_head(note, "a test's")
            if head.size >= from_size:
                yield head.size, head.root, note

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        return self._hashes[first : min(stop, len(self._hashes) // TILE_WIDTH * TILE_WIDTH)]

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        return iter(())

    def tail_problem(self) -> str | None:
        return None

    def opener(self) -> "Opener | None":
        return None

    def close(self) -> None:
        pass
