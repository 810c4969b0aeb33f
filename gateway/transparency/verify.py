"""Verification of a whole log, offline, in constant memory.

Every entry is checked for canonical form, fields, place, log, the stored leaf hash and the chain;
the tree over them is compared with every signed head, stored or outside. How a break is named:

* an entry's bytes, hash, place in the chain or log are wrong, or a stored checkpoint is not what
  the key signed: TAMPERED;
* sequence numbers leave a gap, or a stored checkpoint signed more entries than there are: MISSING;
* a sequence number comes twice: DUPLICATE_SEQ;
* the chain is consistent and a *stored* checkpoint with a good signature has another root:
  TAMPERED. The log contradicts itself: entries were rewritten after they were signed, by someone
  who could compute hashes and could not sign;
* the chain is consistent and an *outside* checkpoint with a good signature has another root: FORK.
  Two histories were shown under one key, and this log is the other one (a rewritten suffix, or a
  restored backup that went on). The key may have signed both, so only outside checkpoints still
  prove anything, and the first bad entry is the first that no outside checkpoint covers;
* an outside checkpoint signed more entries than there are: ROLLBACK.

After a break, reading goes on (`salvage`) to learn what still stands behind it.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

from gateway.transparency.checkpoint import MAX_SIZE, Checkpoint
from gateway.transparency.entry import GENESIS, Fields, read_fields
from gateway.transparency.errors import EntryError, NoteError, SourceError, UnsignedError
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Verifier
from gateway.transparency.salvage import Salvage, salvage
from gateway.transparency.seals import Seal, Seals
from gateway.transparency.source import LogSource, Row
from gateway.transparency.verdict import Proof, Verdict, Word

Progress: TypeAlias = Callable[[int, int], None]


class _Break(Exception):  # noqa: N818 - a finding on its way to the verdict, never leaves here
    """The first thing that does not hold, at entry `seq` (None: a checkpoint, no entry).

    `is_rewrite`: the entries from `seq` on are consistent with each other and not with a seal.
    """

    def __init__(
        self, word: Word, seq: int | None, sentence: str, *, is_rewrite: bool = False
    ) -> None:
        super().__init__(sentence)
        self.word = word
        self.seq = seq
        self.sentence = sentence
        self.is_rewrite = is_rewrite


_REMEDIES = {
    Word.OK: "Nothing. Keep the newest checkpoint outside for next time.",
    Word.OK_UNSEALED: "Verify again when the gateway has signed its newest entries.",
    Word.UNANCHORED: "Compare with a checkpoint kept outside (a collector's): --checkpoint FILE.",
    Word.TAMPERED: "Keep this database as evidence and compare it with a backup or replica.",
    Word.MISSING: "Keep this database as evidence and look for the entries in a backup.",
    Word.FORK: "Keep both: the outside checkpoint and this database prove two histories.",
    Word.ROLLBACK: "Find the newer database; this one is an old copy or lost its end.",
    Word.DUPLICATE_SEQ: "Keep this database as evidence; two writers or a hand made the double.",
    Word.UNVERIFIABLE: "Give the log's own verifier key and a readable database, and verify again.",
}


def verify_log(
    source: LogSource,
    origin: str,
    verifier: Verifier,
    anchors: Sequence[Checkpoint] = (),
    progress: Progress | None = None,
) -> Verdict:
    """The verdict on one log, by rules that the module's docstring gives.

    `anchors` are checkpoints from outside, already opened with `verifier`. `progress` is called
    with (entries done, entries expected) after every batch. Raises nothing for bad evidence.
    """
    run = _Run(source, origin, verifier, anchors, progress)
    if verifier.name != origin:
        sentence = f"The key is named {verifier.name!r} and cannot vouch for log {origin!r}."
        return run.conclude(Word.UNVERIFIABLE, sentence)
    try:
        run.read()
        run.check_tail()
        return run.conclude_whole()
    except _Break as found:
        return run.conclude_broken(found)
    except SourceError as error:
        return run.conclude(Word.UNVERIFIABLE, f"Reading stopped at entry {run.size}: {error}")


class _Run:
    """One verification. The tree lags one entry behind: a leaf enters when its successor's `prev`
    (or the log's end) has confirmed it, so that a break in the chain is found before a root."""

    def __init__(
        self,
        source: LogSource,
        origin: str,
        verifier: Verifier,
        anchors: Sequence[Checkpoint],
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._origin = origin
        self._verifier = verifier
        self._anchors = anchors
        self._progress = progress
        self.size = 0  # entries that hold by themselves and follow each other
        self._rows: Iterator[Row] = iter(())  # those not read yet
        self._seals = Seals((), (), verifier)
        self._tree = CompactRange()
        self._pending: bytes | None = None  # the leaf hash of entry size-1, when not in the tree
        self._newest: Seal | None = None
        self._outside: Seal | None = None  # the newest from outside that holds
        self._checkpoints = 0
        self._clock_seq: int | None = None

    def read(self) -> None:
        """Check every entry and the seals over them; raises _Break at the first that fails."""
        self._seals = Seals(self._source.checkpoints(), self._anchors, self._verifier)
        self._rows = chain.from_iterable(self._watched_batches())
        try:
            self._read_rows()
            if self._pending is not None:
                self._tree.append(self._pending)
                self._pending = None
            self._check_seals(self.size)
        except EntryError as error:
            sentence = f"Entry {self.size} is no entry of a log: {error}."
            raise _Break(Word.TAMPERED, self.size, sentence) from None

    def _read_rows(self) -> None:
        """The hot loop: locals instead of attributes, no call that one entry in a million needs."""
        size, origin, prev, time = 0, self._origin, GENESIS.hex(), ""
        rows, append, sha256 = self._rows, self._tree.append, hashlib.sha256
        row, pending, seal_size = None, self._pending, self._seals.next_size
        try:
            for row in rows:
                seq, data, stored = row
                digest = sha256(b"\x00" + data).digest() if type(data) is bytes else None
                if seq != size or type(seq) is not int or digest is None or digest != stored:
                    raise _bad_row(row, size)
                fields = read_fields(data)  # type: ignore[arg-type] # bytes, since digest is there
                if fields["prev"] != prev or fields["seq"] != size or fields["log"] != origin:
                    raise _bad_place(fields, size, origin)
                if pending is not None:
                    append(pending)
                    pending = None
                if seal_size is not None and seal_size <= size:
                    seal_size = self._check_seals(size)
                if fields["time"] < time and self._clock_seq is None:
                    self._clock_seq = size
                pending, prev, time = digest, digest.hex(), fields["time"]
                size += 1
            row = None
        finally:
            self.size, self._pending = size, pending
            self._rows = rows if row is None else chain((row,), rows)

    def _watched_batches(self) -> Iterator[Sequence[Row]]:
        expected, done = self._source.estimate_entries(), 0
        for batch in self._source.entries():
            yield batch
            done += len(batch)
            if self._progress:
                self._progress(done, max(expected, done))

    def _check_seals(self, size: int) -> int | None:
        """Hold every seal of `size` against the tree; gives the size of the next one."""
        for seal in self._seals.take_up_to(size):
            if isinstance(seal, NoteError):
                raise self._bad_seal(seal)
            if not seal.is_head_of(self._tree):
                raise self._rewritten(seal)
            self._newest = seal
            if seal.is_outside:
                self._outside = seal
            else:
                self._checkpoints += 1
        return self._seals.next_size

    def _bad_seal(self, error: NoteError) -> _Break:
        if isinstance(error, UnsignedError) and self._newest is None:
            sentence = "The stored checkpoints are not signed by the key given."
            return _Break(Word.UNVERIFIABLE, None, sentence)
        after = f"after {self._newest.name}" if self._newest else "the first"
        sentence = f"A stored checkpoint ({after}) is not what the log signed: {error}."
        return _Break(Word.TAMPERED, None, sentence)

    def _rewritten(self, seal: Seal) -> _Break:
        size = seal.checkpoint.size
        first = _size_of(self._outside if seal.is_outside else self._newest)
        span = f"entries {first} to {size - 1}"
        if seal.is_outside:
            sentence = (
                f"The {seal.name} is signed by the log's key and has another root: "
                f"somewhere in {span} this is another history than the one shown outside."
            )
            return _Break(Word.FORK, first, sentence, is_rewrite=True)
        sentence = (
            f"The {seal.name} has a good signature and another root: somewhere in {span} "
            "the history was rewritten after it was signed."
        )
        return _Break(Word.TAMPERED, first, sentence, is_rewrite=True)

    def check_tail(self) -> None:
        """Seals over more entries than there are; raises _Break."""
        longest: dict[bool, int] = {}
        for seal in self._seals.take_up_to(MAX_SIZE):
            if isinstance(seal, NoteError):
                raise self._bad_seal(seal)
            longest[seal.is_outside] = seal.checkpoint.size
        size, last = self.size, max(longest.values(), default=0) - 1
        if True in longest:
            sentence = (
                f"The log has {size} entries, an outside checkpoint signed {longest[True]}: "
                f"entries {size} to {last} are gone (an old copy, or its end was cut off)."
            )
            raise _Break(Word.ROLLBACK, size, sentence)
        if longest:
            sentence = (
                f"A stored checkpoint signed {last + 1} entries and the log has {size}: "
                f"entries {size} to {last} are missing."
            )
            raise _Break(Word.MISSING, size, sentence)

    def conclude_whole(self) -> Verdict:
        """The verdict when nothing broke."""
        size, sealed, anchored = self.size, _size_of(self._newest), _size_of(self._outside)
        if not size:
            return self.conclude(Word.UNVERIFIABLE, "The log holds no entries.")
        if not sealed:
            sentence = (
                "No signed checkpoint: the entries fit together, but no key vouches for them."
            )
            return self.conclude(Word.UNVERIFIABLE, sentence)
        tail = f" The last {size - sealed} are not yet signed." if sealed < size else ""
        if not anchored:
            sentence = (
                f"All {size} entries hold, but nothing outside says how many there should be."
            )
            return self.conclude(Word.UNANCHORED, sentence + tail)
        sentence = f"All {size} entries hold; {anchored} of them are known outside."
        return self.conclude(Word.OK_UNSEALED if tail else Word.OK, sentence + tail)

    def conclude_broken(self, found: _Break) -> Verdict:
        """The verdict on the first break, with what still stands before and behind it."""
        if found.word is Word.UNVERIFIABLE:
            return self.conclude(found.word, found.sentence)
        rest = Salvage()
        unread = ""
        try:
            rest = salvage(self._rows, self._tree, self._pending, self._seals)
        except SourceError as error:
            unread = f" Reading stopped further on: {error}"
        sentence = found.sentence
        signed_here = rest.seal or self._newest
        if found.word is Word.FORK and signed_here and not signed_here.is_outside:
            sentence += f" The newest seal that fits this history is the {signed_here.name}."
        verdict = self.conclude(found.word, sentence + unread, found.seq)
        if rest.seal is None or found.is_rewrite:
            return verdict
        return _with_salvage(verdict, rest.seal, rest.last_bad_seq)

    def conclude(self, word: Word, sentence: str, first_bad_seq: int | None = None) -> Verdict:
        """A verdict with what is known so far."""
        sealed = _size_of(self._newest)
        by = self._outside if word is Word.FORK else self._newest
        proven = _size_of(by) if first_bad_seq is None else min(_size_of(by), first_bad_seq)
        return Verdict(
            word=word,
            sentence=sentence,
            remedy=_REMEDIES[word],
            origin=self._origin,
            entries=self.size,
            checkpoints=self._checkpoints,
            sealed=sealed,
            anchored=_size_of(self._outside),
            first_bad_seq=first_bad_seq,
            proven_before=Proof(0, proven - 1, by.name) if by and proven else None,
            clock_seq=self._clock_seq,
        )


def _size_of(seal: Seal | None) -> int:
    return seal.checkpoint.size if seal else 0


def _with_salvage(verdict: Verdict, seal: Seal, last_bad_seq: int | None) -> Verdict:
    size, bad = seal.checkpoint.size, verdict.first_bad_seq
    before = size if bad is None else min(size, bad)
    proven_before = Proof(0, before - 1, seal.name) if before else None
    after = max(-1 if bad is None else bad, -1 if last_bad_seq is None else last_bad_seq) + 1
    stands_after = bad is not None and after < size
    return replace(
        verdict,
        proven_before=proven_before,
        proven_after=Proof(after, size - 1, seal.name) if stands_after else None,
    )


def _bad_row(row: Row, expected: int) -> _Break:
    seq, data, _ = row
    if type(seq) is not int:
        return _Break(Word.TAMPERED, expected, "A sequence number is not a number.")
    if seq < expected:
        return _Break(Word.DUPLICATE_SEQ, seq, f"Sequence number {seq} stands more than once.")
    if seq > expected:
        gap = f"entry {expected} is" if seq == expected + 1 else f"{expected} to {seq - 1} are"
        return _Break(Word.MISSING, expected, f"{gap[0].upper()}{gap[1:]} missing.")
    what = "has not the leaf hash stored with it" if type(data) is bytes else "holds no bytes"
    return _Break(Word.TAMPERED, expected, f"Entry {expected} {what}: one of the two was changed.")


def _bad_place(fields: Fields, expected: int, origin: str) -> _Break:
    if fields["log"] != origin:
        sentence = f"Entry {expected} belongs to another log, {fields['log'][:80]!r}."
        return _Break(Word.TAMPERED, expected, sentence)
    if fields["seq"] != expected:
        sentence = f"Where entry {expected} should stand, an entry {fields['seq']} stands."
        return _Break(Word.TAMPERED, expected, sentence)
    before = max(expected - 1, 0)
    sentence = f"Entry {expected} does not follow entry {before}: one of the two was changed."
    if not expected:
        sentence = "Entry 0 does not start a chain."
    return _Break(Word.TAMPERED, before, sentence)
