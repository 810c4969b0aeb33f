"""Several processes check chunks ahead; the walk joins what they found, in order. Whatever is not
fine in every respect is read by the judge, so that the verdict is the same as without them."""

import gc
import multiprocessing
import os
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from gateway.transparency.blocks import Depth
from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.chunks import Chunk, Task, check_chunk, split_nodes
from gateway.transparency.errors import NoteError, SourceError
from gateway.transparency.growth import TILE_HEIGHT, TILE_WIDTH, with_edge
from gateway.transparency.keys import HANDED_OVER
from gateway.transparency.merkle import CompactRange
from gateway.transparency.seals import Claim, Kind, Seal
from gateway.transparency.source import LogSource, Opener
from gateway.transparency.walk import Walk

CHUNK_ENTRIES = 65_536
WORTH_ENTRIES = 200_000  # starting processes takes a fraction of a second
_MOST_WORKERS = 8
_GC_THRESHOLDS = (100_000, 50, 50)

_source: LogSource | None = None  # of a worker process


@dataclass(frozen=True, slots=True)
class Parallel:
    """How: an executor whose workers ran `open_source_here`, how many tasks to keep it busy with,
    and how long a chunk is (a power of two, at least 256)."""

    executor: Executor
    ahead: int
    chunk_entries: int


def start_processes(source: LogSource, workers: int | None = None) -> Parallel | None:
    """Processes for a source that can be opened again, where that is worth it. The caller shuts
    the executor down."""
    opener = source.opener()
    count = workers if workers is not None else min(os.cpu_count() or 1, _MOST_WORKERS)
    if opener is None or count < 2 or source.estimate_entries() < WORTH_ENTRIES:
        return None
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, context, begin_process, (opener,))
    return Parallel(executor, count + 2, CHUNK_ENTRIES)


def open_source_here(opener: Opener) -> None:
    """In a worker, before its first task."""
    global _source
    _source = opener()


def begin_process(opener: Opener) -> None:
    """In a process of its own, before its first task: `open_source_here`. Rows come and go by the
    million and make no cycles; looking for some costs a fifth of the time."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    open_source_here(opener)


def close_source_here() -> None:
    """In a worker, after its last."""
    global _source
    if _source is not None:
        _source.close()
        _source = None


def run_task(task: Task) -> Chunk | None:
    """In a worker."""
    return check_chunk(_source, task) if _source is not None else None


class Ahead:
    """Chunks that are being checked, from where the walk stands on to the last whole one."""

    def __init__(self, parallel: Parallel, origin: str, depth: Depth, total: int) -> None:
        self._parallel = parallel
        self._origin = origin
        self._depth = depth
        self._total = total
        self._tasks: deque[tuple[Task, Future[Chunk | None]]] = deque()
        self._next: int | None = None

    def next_task(self, walk: Walk) -> tuple[Task, Chunk | None] | None:
        """The chunk at which the walk stands, once it is checked; None: no whole one is left."""
        if self._tasks and not _fits(self._tasks[0][0], walk):
            self.drop()
        self._submit(walk)
        if not self._tasks:
            return None
        task, future = self._tasks.popleft()
        self._submit(walk)
        try:
            return task, future.result()
        except (BrokenProcessPool, SourceError, OSError):
            return task, None

    def drop(self) -> None:
        """Forget what is being checked."""
        while self._tasks:
            self._tasks.popleft()[1].cancel()
        self._next = None

    def _submit(self, walk: Walk) -> None:
        length, vkey = self._parallel.chunk_entries, walk.chain.turn_vkey
        first = walk.size if self._next is None else self._next
        while vkey and len(self._tasks) < self._parallel.ahead and first + length < self._total:
            outside = walk.seals.outside_sizes(first + 1, first + length)
            task = Task(self._origin, first, first + length, self._depth, vkey, outside)
            try:
                future = self._parallel.executor.submit(run_task, task)
            except (BrokenProcessPool, RuntimeError):
                return
            self._tasks.append((task, future))
            first += length
        self._next = first


def _fits(task: Task, walk: Walk) -> bool:
    return task.first == walk.size and task.vkey == walk.chain.turn_vkey


def join(walk: Walk, task: Task, chunk: Chunk) -> bool:
    """Take a chunk into the walk; False where it does not fit in every respect, and then the judge
    must read it. Raises Finding as the judge would, for a seal over what lies before."""
    if not _fits(task, walk) or walk.head != chunk.first_prev:
        return False
    if walk.chain.is_offered or any(one.type == HANDED_OVER for one in chunk.specials):
        return False
    walk.confirm_quickly()
    if not walk.tree.is_aligned:
        return False
    claims = list(walk.seals.take_up_to(task.stop))
    nodes = split_nodes(chunk.nodes)
    heads = _find_heads(walk, chunk, claims, nodes)
    count = len(nodes)
    if heads is None or not walk.tiles.take_many(
        task.first // TILE_WIDTH, count, chunk.tiles_sha256
    ):
        walk.seals.put_back(claims)
        return False
    _commit(walk, task, chunk, heads, nodes)
    return True


def _find_heads(
    walk: Walk, chunk: Chunk, claims: list[Claim], nodes: list[bytes]
) -> list[tuple[Seal, CompactRange]] | None:
    """Each seal with the tree of its size, or None unless all of them hold."""
    if [claim.row for claim in claims if claim.kind is Kind.STORED] != chunk.rows:
        return None
    start, trial, taken = walk.tree.size, walk.tree.range(), 0
    found: list[tuple[Seal, CompactRange]] = []
    for claim in claims:
        edge = chunk.edges.get(claim.size)
        while taken < (claim.size - start) // TILE_WIDTH:
            trial.append_subtree(TILE_HEIGHT, nodes[taken])
            taken += 1
        if edge is None or claim.size <= start:
            return None
        seal = _open(walk, claim)
        head = with_edge(trial, claim.size, edge)
        if seal is None or seal.checkpoint.root != head.root():
            return None
        found.append((seal, head))
    return found


def _open(walk: Walk, claim: Claim) -> Seal | None:
    size, root, note = claim.row
    if claim.kind is Kind.STORED:  # its signature was checked where the chunk was
        if type(size) is not int or not isinstance(root, bytes) or not isinstance(note, bytes):
            return None
        return Seal(Checkpoint(walk.chain.origin, size, root, note.decode()), claim.kind)
    try:
        return claim.open(walk.chain)
    except NoteError:
        return None


def _commit(
    walk: Walk,
    task: Task,
    chunk: Chunk,
    heads: list[tuple[Seal, CompactRange]],
    nodes: list[bytes],
) -> None:
    if walk.clock_seq is None:
        is_back = chunk.first_time < walk.time
        walk.clock_seq = task.first if is_back else chunk.clock_seq
    specials, taken, start = deque(chunk.specials), 0, walk.tree.size
    for seal, head in heads:
        while taken < (seal.size - start) // TILE_WIDTH:
            walk.tree.append_node(nodes[taken])
            taken += 1
        while specials and specials[0].seq < seal.size:
            walk.note(specials.popleft())
        walk.accept(seal, head)
    for node in nodes[taken:]:
        walk.tree.append_node(node)
    for special in specials:
        walk.note(special)
    walk.time, walk.head, walk.size = chunk.last_time, chunk.last_leaf, task.stop
