"""A log written as a tree of files (docs/formats.md section 13), and later only what is new.

What was exported before is not read again: its checkpoint holds the new tree to it. The tree goes
on from the folder's own tiles and the log's further entries; if it leads to the root that the log
signed, then the folder held the beginning of this very history.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gateway.audit.errors import ExportError
from gateway.audit.tile_growth import NewTile, TileGrowth
from gateway.audit.tree_folder import TreeFolder
from gateway.canonical import Value
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.errors import EntryError, TileError
from gateway.transparency.notes import Verifier
from gateway.transparency.proving import find_newest_head, read_stored_head
from gateway.transparency.source import LogSource, Row
from gateway.transparency.tiles import (
    BUNDLE_LEVEL,
    TILE_WIDTH,
    TilePlace,
    encode_bundle,
    tiles_of_level,
)
from gateway.transparency.tree_source import UnverifiedHead

# A long export publishes on its way, at checkpoints that the log has, and so goes on after a crash.
STAGE_ENTRIES = 65_536
_WRITE_TILES = 64
_PURGED = b',"type":"entries.purged","v":1}'

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did. Sizes are entries under the checkpoint of before and of now."""

    origin: str
    from_size: int
    size: int
    files: int
    bytes: int

    def as_value(self) -> dict[str, Value]:
        """For --json."""
        return {
            "log": self.origin,
            "from_size": self.from_size,
            "size": self.size,
            "files": self.files,
            "bytes": self.bytes,
        }


def export_tree(
    source: LogSource,
    folder: Path,
    verifier: Verifier | None = None,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Bring the tree in `folder` to the newest checkpoint of `source`.

    With a `verifier`, that checkpoint must be signed by it. `progress` is told (entries done,
    entries in all). Raises ExportError (its docstring says when), SourceError when the log cannot
    be read, NoteError for a checkpoint that the key did not sign.
    """
    newest = find_newest_head(source)
    if verifier is not None:
        open_checkpoint(newest.note.decode(errors="replace"), verifier)
    with TreeFolder(folder) as tree:
        before = tree.size
        _verify_beginning(tree, newest)
        while tree.size < newest.size:
            head = _next_head(source, tree.size, newest)
            _Stage(source, tree, head).run(lambda done: progress(done, newest.size))
        return Exported(newest.origin, before, tree.size, tree.written_files, tree.written_bytes)


def _verify_beginning(tree: TreeFolder, newest: UnverifiedHead) -> None:
    held = tree.head
    if held is None:
        return
    if held.origin != newest.origin:
        raise ExportError(f"{tree.path} holds log {held.origin!r}, not {newest.origin!r}")
    if held.size > newest.size:
        raise ExportError(
            f"{tree.path} holds {held.size} entries, the log's newest checkpoint {newest.size}: "
            "this log is an older copy, or lost its end; verify both"
        )
    if held.size == newest.size and held.root != newest.root:
        raise _other_history(tree)


def _next_head(source: LogSource, size: int, newest: UnverifiedHead) -> UnverifiedHead:
    """The first checkpoint that is a stage further, or the newest."""
    if newest.size - size > STAGE_ENTRIES:
        row = next(source.checkpoints(size + STAGE_ENTRIES), None)
        if row is not None and row[0] != newest.size:
            head = read_stored_head(source, row[2])
            if size < head.size < newest.size:
                return head
    return newest


def _other_history(tree: TreeFolder) -> ExportError:
    return ExportError(
        f"{tree.path} and the log do not lead to one root at {tree.size} entries: one of the two "
        "is another history, or was changed; verify both, and export to a new folder"
    )


class _Stage:
    """From the folder's checkpoint to the next one."""

    def __init__(self, source: LogSource, tree: TreeFolder, head: UnverifiedHead) -> None:
        self._source = source
        self._tree = tree
        self._head = head
        self._purged: list[tuple[int, int]] = []

    def run(self, progress: Callable[[int], None]) -> None:
        growth, known = self._begin()
        waiting: list[NewTile] = []
        for place, rows in self._tiles(growth.size):
            leaves = self._leaves(place, rows)
            if known and leaves[: len(known)] != known:
                raise _other_history(self._tree)
            known = []
            waiting += growth.add(leaves)
            entries = [data for _seq, data in rows]
            self._note_purges(entries)
            if len(entries) == place.width:
                waiting.append((place, encode_bundle(entries)))
            if len(waiting) >= _WRITE_TILES:
                self._tree.write(waiting)
                waiting = []
                progress(growth.size)
        self._tree.write([*waiting, *growth.short_tiles()])
        if (growth.size, growth.root()) != (self._head.size, self._head.root):
            raise ExportError(
                f"the entries of log {self._head.origin} do not lead to the root of its checkpoint "
                f"of {self._head.size} entries: run `gateway audit verify`"
            )
        self._tree.publish(self._head.note, self._purged)
        progress(growth.size)

    def _begin(self) -> tuple[TileGrowth, list[bytes]]:
        """The folder's tree back to its last full tile, and the leaf hashes that follow there."""
        try:
            growth = TileGrowth.restore(self._tree.size, self._tree.read)
        except TileError as error:
            raise ExportError(
                f"{self._tree.path} was changed: {error}; export to a new folder"
            ) from None
        held = self._tree.head
        if held is not None and growth.root() != held.root:
            raise ExportError(
                f"the tiles in {self._tree.path} do not lead to its checkpoint: they were changed; "
                "export to a new folder"
            )
        known = growth.short_leaves()
        growth.drop_short_leaves()
        return growth, known

    def _tiles(self, first: int) -> Iterator[tuple[TilePlace, list[tuple[int, bytes]]]]:
        """The bundles from entry `first` on with the entries that are there."""
        rows = chain.from_iterable(self._source.entries(first))
        row = next(rows, None)
        for place in tiles_of_level(BUNDLE_LEVEL, self._head.size, first // TILE_WIDTH):
            expected = place.index * TILE_WIDTH
            stop = expected + place.width
            found: list[tuple[int, bytes]] = []
            while row is not None:
                seq, data = _entry_of(row, expected)
                if seq >= stop:
                    break
                found.append((seq, data))
                expected = seq + 1
                row = next(rows, None)
            yield place, found

    def _leaves(self, place: TilePlace, rows: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """The leaf hashes of a bundle: of its entries, or of the tile where some are purged."""
        leaves = [leaf_hash(data) for _seq, data in rows]
        if len(rows) == place.width:
            return leaves
        start = place.index * TILE_WIDTH
        stored = list(self._source.leaf_hashes(start, start + place.width))
        if len(stored) != place.width:
            raise ExportError(
                f"entries of {start} to {start + place.width - 1} are missing and nothing holds "
                "their hashes: run `gateway audit verify`"
            )
        for (seq, _data), leaf in zip(rows, leaves, strict=True):
            if stored[seq - start] != leaf:
                raise ExportError(
                    f"entry {seq} has another hash in the tiles: run `gateway audit verify`"
                )
        return stored

    def _note_purges(self, entries: Sequence[bytes]) -> None:
        for data in entries:
            if data.endswith(_PURGED) and (span := _purged_span(data)) is not None:
                self._purged.append(span)


def _entry_of(row: Row, expected: int) -> tuple[int, bytes]:
    seq, data, _leaf = row
    if type(seq) is not int or type(data) is not bytes or seq < expected:
        raise ExportError(f"entry {expected} cannot be used as it lies: run `gateway audit verify`")
    return seq, data


def _purged_span(data: bytes) -> tuple[int, int] | None:
    try:
        body = parse_entry(data).body
    except EntryError:
        return None
    first, last = body.get("first"), body.get("last")
    if type(first) is not int or type(last) is not int or not 0 <= first <= last:
        return None
    return (first, last) if first % TILE_WIDTH == 0 and (last + 1) % TILE_WIDTH == 0 else None
