"""Verification of a whole log, offline, in constant memory.

Every entry is checked for canonical form, fields, place, log, the stored leaf hash and the chain
(`judge`); the tree over them is compared with every signed head, stored or outside (`walk`), and
with what is stored beside (`stored_tiles`, `beside`). How a rewritten history is named:

* the chain is consistent and a *stored* checkpoint with a good signature has another root:
  TAMPERED. The log contradicts itself: entries were rewritten after they were signed, by someone
  who could compute hashes and could not sign;
* the chain is consistent and an *outside* checkpoint with a good signature has another root: FORK.
  Two histories were shown under one key, and this log is the other one (a rewritten suffix, or a
  restored backup that went on). The key may have signed both, so only outside checkpoints still
  prove anything, and the first bad entry is the first that no outside checkpoint covers;
* an outside checkpoint signed more entries than there are: ROLLBACK; a stored one: MISSING.

After a break, reading goes on (`salvage`) to learn what still stands behind it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from gateway.errors import VerificationError
from gateway.transparency.blocks import Depth
from gateway.transparency.checkpoint import MAX_SIZE, Checkpoint, read_unverified_checkpoint
from gateway.transparency.conclusion import conclude, conclude_broken, conclude_whole
from gateway.transparency.errors import NoteError, ProofError, SourceError
from gateway.transparency.finding import Finding
from gateway.transparency.growth import TILE_WIDTH
from gateway.transparency.judge import Judge
from gateway.transparency.keys import KeyChain
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Verifier
from gateway.transparency.parallel import Ahead, Parallel, join
from gateway.transparency.resume import Resume, is_continued_by
from gateway.transparency.seals import IsWitnessed, Seals
from gateway.transparency.source import (
    CosignedSource,
    LateSource,
    LogSource,
    OneCheckpointSource,
    Row,
    StoredRow,
)
from gateway.transparency.verdict import WHOLE, Verdict, Word, unverifiable
from gateway.transparency.walk import Walk
from gateway.transparency.walk_state import restore, state_of

Progress: TypeAlias = Callable[[int, int], None]


def verify_log(
    source: LogSource,
    origin: str,
    keys: Verifier | Sequence[Verifier],
    anchors: Sequence[Checkpoint] = (),
    progress: Progress | None = None,
    *,
    is_witnessed: IsWitnessed | None = None,
    depth: Depth = Depth.CANONICAL,
    parallel: Parallel | None = None,
    resume: Resume | None = None,
) -> Verdict:
    """The verdict on one log, by rules that the module's docstring gives.

    `keys`: what the auditor trusts, one of which must have signed something here; older ones may
    stand beside it. `anchors` are checkpoints from outside, of which only the form need be known.
    `is_witnessed` says of a stored, cosigned note whether it counts as one from outside.
    `progress` is called with (entries done, entries expected). `parallel` and `resume` make it
    faster and change nothing in the verdict but `earlier`. Raises nothing for bad evidence.
    """
    given = (keys,) if isinstance(keys, Verifier) else tuple(keys)
    if not any(key.name == origin for key in given):
        names = ", ".join(repr(key.name) for key in given) or "nothing"
        sentence = f"The key is named {names} and cannot vouch for log {origin!r}."
        return unverifiable(sentence, origin)
    run = _Run(source, origin, given, anchors, progress, is_witnessed, depth, parallel, resume)
    return replace(run.verify(), depth=str(depth), earlier=run.earlier, remarks=tuple(run.remarks))


class _Run:
    """One verification."""

    def __init__(
        self,
        source: LogSource,
        origin: str,
        keys: Sequence[Verifier],
        anchors: Sequence[Checkpoint],
        progress: Progress | None,
        is_witnessed: IsWitnessed | None,
        depth: Depth,
        parallel: Parallel | None,
        resume: Resume | None,
    ) -> None:
        self._source = source
        self._origin = origin
        self._keys = keys
        self._anchors = list(anchors)
        self._progress = progress
        self._is_witnessed = is_witnessed
        self._depth = depth
        self._parallel = parallel
        self._resume = resume
        self._judge = Judge(source, origin, depth)
        self._total = 0
        self.earlier = 0
        self.remarks: list[str] = []

    def verify(self) -> Verdict:
        """The verdict, whatever the evidence."""
        walk: Walk | None = None
        try:
            self._total = self._source.estimate_entries()
            walk = self._begin()
            return self._verify(walk)
        except SourceError as error:
            if walk is None:
                return unverifiable(f"Nothing could be read: {error}.", self._origin)
            sentence = f"Reading stopped at entry {walk.size}: {error}"
            return conclude(walk, self._origin, Word.UNVERIFIABLE, sentence)

    def _verify(self, walk: Walk) -> Verdict:
        try:
            self._read_ahead(walk)
            self._read(walk, None)
            walk.confirm()
            _check_tail(walk)
            state = state_of(walk)
            walk.finish()
        except Finding as found:
            self.remarks += walk.remarks()
            return conclude_broken(walk, self._source, self._origin, found)
        self.remarks += walk.remarks()
        verdict = conclude_whole(walk, self._origin, self._source.tail_problem())
        if self._resume and verdict.word in WHOLE:
            self._resume.save(self._origin, state)
        return verdict

    def _begin(self) -> Walk:
        """The walk at its start: entry 0, where a state goes on, or where the evidence begins."""
        state = self._resume.load(self._origin) if self._resume else None
        if state is not None:
            walk = self._go_on(state)
            if walk is not None:
                return walk
        walk = self._walk(0)
        if isinstance(self._source, LateSource):
            size, edge, note = self._source.start()
            if size:
                _begin_late(walk, size, edge, note)
        return walk

    def _go_on(self, state: dict[str, Any]) -> Walk | None:
        """From an earlier state, unless what is asked or what is there does not fit it."""
        try:
            size = int(state["tree"]["size"]) + len(state["tree"]["tile"]) // 64
            if not is_continued_by(state, self._source):
                self.remarks.append(
                    "The log is not the one that was verified earlier; it was verified anew."
                )
                self._anchors += [read_unverified_checkpoint(state["newest"][1])]
                return None
            # A seal of just that size may have come since.
            from_size = size if int(state["sealed"]) < size else size + 1
            known = {(int(size), str(root)) for size, root in state["anchors"]}
            if any(
                one.size < from_size and (one.size, one.root.hex()) not in known
                for one in self._anchors
            ):
                self.remarks.append(
                    "A checkpoint lies before where the earlier verification ended; all was "
                    "verified anew."
                )
                return None
            walk = self._walk(from_size)
            restore(walk, state)
        except (KeyError, TypeError, ValueError, IndexError, VerificationError):
            self.remarks.append("The state of the earlier verification could not be used.")
            return None
        self.earlier = walk.size
        return walk

    def _walk(self, from_size: int) -> Walk:
        """A walk that meets the seals of at least `from_size`."""
        source = self._source
        cosigned: Iterator[StoredRow] = iter(())
        if self._is_witnessed and isinstance(source, CosignedSource):
            cosigned = source.cosigned()
        seals = Seals(
            source.checkpoints(from_size),
            [one for one in self._anchors if one.size >= from_size],
            (row for row in cosigned if type(row[0]) is int and row[0] >= from_size),
            self._is_witnessed,
        )
        is_tree = isinstance(source, OneCheckpointSource)
        chain = KeyChain(self._origin, self._keys, keeps_seams=not is_tree)
        return Walk(self._source, chain, seals)

    def _read_ahead(self, walk: Walk) -> None:
        """Join what other processes check, as far as whole chunks reach."""
        if self._parallel is None:
            return
        ahead = Ahead(self._parallel, self._origin, self._depth, self._total)
        self._read(walk, max(walk.size, TILE_WIDTH))  # entry 0 names the key
        try:
            while True:
                self._read(walk, -(-walk.size // TILE_WIDTH) * TILE_WIDTH)
                got = ahead.next_task(walk)
                if got is None:
                    return
                task, chunk = got
                if chunk is None or not join(walk, task, chunk):
                    self._read(walk, task.stop)
                    if walk.size < task.stop:
                        return
                self._tell(walk)
        finally:
            ahead.drop()

    def _read(self, walk: Walk, stop: int | None) -> None:
        """Read on up to entry `stop` (further, where a gap reaches past it), or to the end."""
        if stop is not None and walk.size >= stop:
            return
        for batch in self._source.entries(walk.size):
            part = batch if stop is None else [row for row in batch if not _is_from(row, stop)]
            self._judge.read(walk, part)
            if stop is not None and walk.size < stop and len(part) < len(batch):
                self._judge.read(walk, [row for row in batch if _is_from(row, stop)][:1])
            self._tell(walk)
            if stop is not None and (walk.size >= stop or len(part) < len(batch)):
                return

    def _tell(self, walk: Walk) -> None:
        if self._progress:
            self._progress(walk.size, max(walk.size, self._total))
        if self._resume and not walk.has_problem:
            self._resume.save_at_times(self._origin, partial(state_of, walk))


def _check_tail(walk: Walk) -> None:
    """Seals over more entries than there are; raises Finding."""
    longest: dict[bool, int] = {}
    for claim in walk.seals.take_up_to(MAX_SIZE):
        seal = walk.open(claim)
        if seal is not None:
            longest[seal.is_outside] = seal.size
    size, last = walk.size, max(longest.values(), default=0) - 1
    if True in longest:
        sentence = (
            f"The log has {size} entries, an outside checkpoint signed {longest[True]}: "
            f"entries {size} to {last} are gone (an old copy, or its end was cut off)."
        )
        raise Finding(Word.ROLLBACK, size, sentence)
    if longest:
        sentence = (
            f"A stored checkpoint signed {last + 1} entries and the log has {size}: "
            f"entries {size} to {last} are missing."
        )
        raise Finding(Word.MISSING, size, sentence, last=last)


def _begin_late(walk: Walk, size: int, edge: bytes, note: str) -> None:
    """Begin at entry `size`; raises SourceError unless a trusted key signed the tree before it."""
    try:
        base = CompactRange.from_edge(size, edge)
        opened = walk.chain.open_outside(note)
    except (NoteError, ProofError) as error:
        raise SourceError(
            f"the evidence begins at entry {size}, and what lies before it is not signed by a key "
            f"that is known: {error}"
        ) from None
    if (opened.size, opened.root) != (size, base.root()):
        raise SourceError(f"the evidence begins at entry {size} with another tree than was signed")
    walk.chain.settle(note)
    walk.begin_late(size, base)


def _is_from(row: Row, stop: int) -> bool:
    return type(row[0]) is int and row[0] >= stop
