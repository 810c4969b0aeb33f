"""From where a verification stands to its verdict."""

from dataclasses import replace

from gateway.transparency.errors import SourceError
from gateway.transparency.finding import Finding
from gateway.transparency.notes import short_vkey
from gateway.transparency.salvage import Salvage, salvage
from gateway.transparency.seals import Seal
from gateway.transparency.source import LogSource
from gateway.transparency.verdict import REMEDIES, Proof, Verdict, Word
from gateway.transparency.walk import Walk, size_of


def conclude_whole(walk: Walk, origin: str, tail_problem: str | None) -> Verdict:
    """The verdict when nothing broke, by the order of docs/formats.md section 14."""
    size, sealed, anchored = walk.size, walk.sealed, size_of(walk.outside)
    if tail_problem is not None:
        sentence = f"{tail_problem} What is signed before it holds."
        return conclude(walk, origin, Word.CRASH_TAIL, sentence)
    if not size:
        return conclude(walk, origin, Word.UNVERIFIABLE, "The log holds no entries.")
    if not sealed:
        sentence = "No signed checkpoint: the entries fit together, but no key vouches for them."
        return conclude(walk, origin, Word.UNVERIFIABLE, sentence)
    if not walk.chain.has_vouched:
        sentence = (
            "The key given is none that signed this log: the entries and checkpoints fit together, "
            f"under {_name_keys(walk)}, which nobody here vouches for."
        )
        return conclude(walk, origin, Word.UNVERIFIABLE, sentence)
    if walk.unusable is not None:
        return conclude(walk, origin, Word.UNVERIFIABLE, walk.unusable)
    gone = walk.removals.count_gone()
    hold = (
        f"All {size} entries hold" if not gone else f"All {size - gone} entries that are left hold"
    )
    tail = f" The last {size - sealed} are not yet signed." if sealed < size else ""
    if not anchored:
        sentence = f"{hold}, but nothing outside says how many there should be."
        return conclude(walk, origin, Word.UNANCHORED, sentence + tail)
    sentence = f"{hold}; {anchored} of {'them' if not gone else size} are known outside."
    word = Word.OK_UNSEALED if tail else Word.OK
    if _is_erased(walk):
        word = Word.ERASED
        count = len(walk.removals.classes)
        were = "payload was" if count == 1 else "payloads were"
        sentence += f" {count} {were} erased, as the log says."
    if _is_purged(walk):
        word = Word.PURGED
        months = len(walk.removals.months)
        sentence += f" {gone} entries and {months} months of payloads were purged, as the log says."
    return conclude(walk, origin, word, sentence + tail)


def conclude_broken(walk: Walk, source: LogSource, origin: str, found: Finding) -> Verdict:
    """The verdict on the first break, with what still stands before and behind it."""
    rest, unread = Salvage(), ""
    had_vouched = walk.chain.has_vouched
    try:
        rest = salvage(source, walk)
    except SourceError as error:
        unread = f" Reading stopped further on: {error}"
    if found.needs_vouching and not (had_vouched or walk.chain.has_vouched):
        sentence = "The stored checkpoints are not signed by the key given."
        return conclude(walk, origin, Word.UNVERIFIABLE, sentence)
    sentence = found.sentence
    signed_here = rest.seal or walk.newest
    if found.word is Word.FORK and signed_here and not signed_here.is_outside:
        sentence += f" The newest seal that fits this history is the {signed_here.name}."
    if found.word is Word.ROLLBACK and (torn := source.tail_problem()) is not None:
        sentence += f" {torn}"
    verdict = conclude(walk, origin, found.word, sentence + unread, found)
    if rest.seal is None or found.is_rewrite or not walk.chain.has_vouched:
        return _with_behind(verdict, found, walk.newest) if found.last is not None else verdict
    return _with_salvage(verdict, rest.seal, rest.last_bad_seq)


def conclude(
    walk: Walk, origin: str, word: Word, sentence: str, found: Finding | None = None
) -> Verdict:
    """A verdict with what is known so far."""
    bad = found.seq if found else None
    by = walk.outside if word is Word.FORK else walk.newest
    if not walk.chain.has_vouched:
        by = None
    proven = size_of(by) if bad is None else min(size_of(by), bad)
    is_whole = found is None and word is not Word.UNVERIFIABLE
    clock = walk.clock_seq
    return Verdict(
        word=word,
        sentence=sentence,
        remedy=REMEDIES[word],
        origin=origin,
        entries=walk.size,
        checkpoints=walk.checkpoints,
        sealed=walk.sealed,
        anchored=size_of(walk.outside),
        first_bad_seq=bad,
        last_bad_seq=found.last if found else None,
        proven_before=Proof(0, proven - 1, by.name) if by and proven else None,
        clock_seq=clock if clock is not None and clock < walk.size else None,
        purged_entries=walk.removals.count_gone() if is_whole else 0,
        is_purged=is_whole and _is_purged(walk),
        is_erased=is_whole and _is_erased(walk),
        keys=tuple(walk.chain.vkeys),
    )


def _is_purged(walk: Walk) -> bool:
    is_month = any(seq < walk.sealed for seq in walk.removals.months.values())
    return bool(walk.removals.gaps) or is_month


def _is_erased(walk: Walk) -> bool:
    return any(seq < walk.sealed for seq in walk.removals.classes.values())


def _name_keys(walk: Walk) -> str:
    names = [short_vkey(vkey) for vkey in walk.chain.vkeys]
    return " and ".join(names) or "a key"


def _with_behind(verdict: Verdict, found: Finding, seal: Seal | None) -> Verdict:
    """What stands behind entries that are missing, when all else was read and holds."""
    first, size = (found.last or 0) + 1, size_of(seal)
    if seal is None or first >= size:
        return verdict
    return replace(verdict, proven_after=Proof(first, size - 1, seal.name))


def _with_salvage(verdict: Verdict, seal: Seal, last_bad_seq: int | None) -> Verdict:
    size, bad = seal.size, verdict.first_bad_seq
    before = size if bad is None else min(size, bad)
    proven_before = Proof(0, before - 1, seal.name) if before else None
    after = max(-1 if bad is None else bad, -1 if last_bad_seq is None else last_bad_seq) + 1
    stands_after = bad is not None and after < size
    return replace(
        verdict,
        proven_before=proven_before,
        proven_after=Proof(after, size - 1, seal.name) if stands_after else None,
    )
