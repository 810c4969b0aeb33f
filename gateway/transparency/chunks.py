"""Checking a long run of entries in another process.

A chunk begins at a multiple of its length, a power of two of whole tiles. What it gives is enough
to join it to the walk without its entries; where anything in it does not hold, it gives nothing.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.transparency.blocks import Block, BlockReader, Depth, Special
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import HASH_BYTES
from gateway.transparency.errors import NoteError, SourceError
from gateway.transparency.growth import TILE_WIDTH, fold
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Verifier
from gateway.transparency.source import LogSource, Row, StoredRow

_BLOCK_ROWS = 2_048


@dataclass(frozen=True, slots=True)
class Task:
    """Entries `first` to `stop` - 1 of a log. Stored checkpoints are opened with `vkey`; at
    `outside` sizes there are others to be compared."""

    origin: str
    first: int
    stop: int
    depth: Depth
    vkey: str
    outside: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries that hold, follow each other, and are confirmed by the entry after the last.

    `nodes` joins the roots over each 256 leaves, `tiles_sha256` is over all leaf hashes. `edges`
    are right edges within the tile, by the size at which there is a seal. `rows` are the stored
    checkpoints of sizes first + 1 to stop, whose signatures and columns hold.
    """

    first_prev: bytes
    last_leaf: bytes
    nodes: bytes
    tiles_sha256: bytes
    first_time: str
    last_time: str
    clock_seq: int | None
    specials: list[Special]
    rows: list[StoredRow]
    edges: dict[int, bytes]


@dataclass(slots=True)
class _Gathering:
    """A chunk on its way."""

    sizes: list[int]  # where edges are wanted, the largest first
    size: int
    nodes: list[bytes] = field(default_factory=list)
    tile: list[bytes] = field(default_factory=list)
    edges: dict[int, bytes] = field(default_factory=dict)
    leaves_sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, leaves: Sequence[bytes]) -> None:
        """The next leaf hashes."""
        self.leaves_sha256.update(b"".join(leaves))
        at = 0
        while at < len(leaves):
            part = leaves[at : at + TILE_WIDTH - len(self.tile)]
            self.tile += part
            at += len(part)
            self.size += len(part)
            while self.sizes and self.sizes[-1] <= self.size:
                self._note_edge(self.sizes.pop())
            if len(self.tile) == TILE_WIDTH:
                self.nodes.append(fold(self.tile))
                self.tile.clear()

    def _note_edge(self, size: int) -> None:
        within = CompactRange()
        within.extend(self.tile[: len(self.tile) - (self.size - size)])
        self.edges[size] = within.edge_bytes() if size % TILE_WIDTH else b""


def check_chunk(source: LogSource, task: Task) -> Chunk | None:
    """The chunk of a task, or None where the judge must read it."""
    try:
        rows = _read_seals(source, task)
        return None if rows is None else _check_entries(source, task, rows)
    except SourceError:
        return None  # the judge meets it, too, and says where


def _read_seals(source: LogSource, task: Task) -> list[StoredRow] | None:
    verifier = Verifier.from_vkey(task.vkey)
    found: list[StoredRow] = []
    for row in source.checkpoints(task.first + 1):
        size, root, note = row
        if type(size) is not int or not isinstance(note, bytes):
            return None
        if size > task.stop:
            break
        try:
            opened = open_checkpoint(note.decode(), verifier)
        except (NoteError, UnicodeDecodeError):
            return None
        if (opened.size, opened.root) != (size, root):
            return None
        found.append(row)
    return found


def _check_entries(source: LogSource, task: Task, rows: list[StoredRow]) -> Chunk | None:
    reader = BlockReader(task.origin, task.depth)
    sizes = {size for size, _, _ in rows if isinstance(size, int)} | set(task.outside)
    gathering = _Gathering(sorted(sizes, reverse=True), task.first)
    first: Block | None = None
    last_leaf: bytes | None = None
    last_time, clock_seq = "", None
    specials: list[Special] = []
    for part in _parts(source, task):
        seq = gathering.size
        block = reader.read(part, seq, last_leaf)
        if block is None:
            return None
        if clock_seq is None:
            clock_seq = seq if block.first_time < last_time else block.clock_seq
        if seq + len(part) > task.stop:  # the one that confirms the last
            if len(part) > 1:
                return None
            break
        first = first or block
        gathering.add(block.leaves)
        specials += block.specials
        last_leaf, last_time = block.leaves[-1], block.last_time
    else:
        return None  # nothing confirms the last
    if first is None or last_leaf is None or gathering.size != task.stop:
        return None
    return Chunk(
        first_prev=first.prev,
        last_leaf=last_leaf,
        nodes=b"".join(gathering.nodes),
        tiles_sha256=gathering.leaves_sha256.digest(),
        first_time=first.first_time,
        last_time=last_time,
        clock_seq=clock_seq if clock_seq is not None and clock_seq < task.stop else None,
        specials=specials,
        rows=rows,
        edges=gathering.edges,
    )


def _parts(source: LogSource, task: Task) -> Iterator[Sequence[Row]]:
    """Rows of the task in blocks, and then the one after it alone."""
    size = task.first
    waiting: list[Row] = []
    for batch in source.entries(task.first):
        waiting += batch
        while waiting:
            room = task.stop - size
            count = min(room, _BLOCK_ROWS) if room else 1
            if len(waiting) < count:
                break
            yield waiting[:count]
            if not room:
                return
            waiting = waiting[count:]
            size += count


def split_nodes(joined: bytes) -> list[bytes]:
    """The hashes of a chunk's `nodes`."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
