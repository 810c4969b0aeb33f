"""Where a verification stands: everything that is known of a log up to an entry.

The tree lags one entry behind: a leaf enters when its successor's `prev` (or the log's end) has
confirmed it, so that a break in the chain is found before a root.
"""

from collections.abc import Sequence

from gateway.canonical import Value
from gateway.transparency.beside import JournalIndex, Payloads, StoredEdges
from gateway.transparency.blocks import (
    EVALUATIONS,
    OPENED,
    PAYLOADS_SEALED,
    RESTORED,
    Block,
    Special,
)
from gateway.transparency.entry import GENESIS
from gateway.transparency.errors import NoteError, SignatureError, UnsignedError
from gateway.transparency.finding import Finding, missing
from gateway.transparency.growth import GrowingTree
from gateway.transparency.journal_types import JOURNAL_TYPES, UNLINKED_TYPES
from gateway.transparency.keys import HANDED_OVER, KeyChain
from gateway.transparency.merkle import CompactRange
from gateway.transparency.removals import KEPT_TYPES, Removals
from gateway.transparency.removals import TYPES as REMOVAL_TYPES
from gateway.transparency.seals import Claim, Kind, Seal, Seals
from gateway.transparency.source import LogSource, database_of
from gateway.transparency.stored_tiles import StoredTiles
from gateway.transparency.succession import SUCCEEDS, remark_of
from gateway.transparency.verdict import Word


class Walk:
    """`size` entries hold by themselves and follow each other; `head` is the leaf hash of the last
    (None: not known), `pending` the same while it is not in the tree."""

    def __init__(self, source: LogSource, chain: KeyChain, seals: Seals) -> None:
        database = database_of(source)
        self.chain = chain
        self.seals = seals
        self.removals = Removals()
        self.tiles = StoredTiles(source, must_be=database is not None)
        self.edges = StoredEdges(database.edges()) if database else None
        self.journal = JournalIndex(database.journal_rows()) if database else None
        self.payloads = Payloads(database) if database else None
        self.tree = GrowingTree(on_tile=self.tiles.take)
        self.start = 0  # where the evidence begins
        self.size = 0
        self.head: bytes | None = GENESIS
        self.pending: bytes | None = None
        self.time = ""
        self.clock_seq: int | None = None
        self.newest: Seal | None = None
        self.outside: Seal | None = None  # the newest from outside that holds
        self.sealed = 0  # under the newest stored or outside seal that holds
        self.checkpoints = 0
        self.anchors: list[tuple[int, str]] = []  # (size, root) of outside seals that hold
        self.unusable: str | None = None  # why an outside checkpoint says nothing
        self.link_problem: Finding | None = None
        self.newest_journal = -1
        self.succeeds: Value = None  # the statement in entry 0, unverified

    def begin_late(self, size: int, base: CompactRange) -> None:
        """Entries before `size` are not in the evidence; of the tree over them, the edge is."""
        self.tree = GrowingTree(base, self.tiles.take)
        self.start = self.size = size
        self.head = None
        self.removals.open_gap(0, size - 1)

    def take(self, block: Block) -> None:
        """Take the next entries, which hold by themselves; raises Finding for a seal."""
        if block.first_time < self.time and self.clock_seq is None:
            self.clock_seq = self.size
        if self.clock_seq is None:
            self.clock_seq = block.clock_seq
        self.time = block.last_time
        first, at = self.size, 0
        for special in block.specials:
            end = special.seq - first + 1
            self._feed(block.leaves[at:end])
            self.note(special)
            at = end
        self._feed(block.leaves[at:])

    def take_hashes(self, leaves: Sequence[bytes]) -> None:
        """Take entries of which only the hashes are left."""
        self._feed(leaves)

    def confirm(self) -> None:
        """The last entry is confirmed: it enters the tree, and its seals are met."""
        if self.pending is not None:
            self.tree.append(self.pending)
            self.pending = None
        self.meet_seals(self.size, self.tree.range())

    def note(self, special: Special) -> None:
        """Take what an entry says about the log."""
        seq, type_, body, items = special
        if type_ in KEPT_TYPES:
            self.removals.note_kept(seq)
        if type_ == EVALUATIONS:
            if self.payloads:
                self.payloads.note_evaluations(items)
            return
        if type_ == PAYLOADS_SEALED:
            if self.payloads:
                self.payloads.take(seq, body)
            return
        if type_ == OPENED:
            if seq == 0:
                self.chain.note_opening(body)
                self.succeeds = body.get(SUCCEEDS)
            return
        if type_ == RESTORED:
            if self.payloads:
                self.payloads.note_restored(seq, body)
            return
        if type_ == HANDED_OVER:
            self.chain.note_handover(seq, body)
        if type_ in REMOVAL_TYPES:
            self.removals.note(seq, type_, body)
        if type_ in JOURNAL_TYPES:
            self._follow(seq, type_, body)

    def meet_seals(self, size: int, tree: CompactRange) -> None:
        """Hold every seal of at most `size` against the tree of that size; raises Finding."""
        next_size = self.seals.next_size
        if next_size is None or next_size > size:
            return
        for claim in self.seals.take_up_to(size):
            seal = self.open(claim)
            if seal is None:
                continue
            if seal.checkpoint.size != tree.size or seal.checkpoint.root != tree.root():
                raise self._rewritten(seal)
            self.accept(seal, tree)

    def accept(self, seal: Seal, tree: CompactRange) -> None:
        """A seal holds over `tree`."""
        self.newest = seal
        self.sealed = seal.size
        self.chain.take_note(seal.checkpoint)
        if seal.is_outside:
            self.outside = seal
            self.anchors.append((seal.size, seal.checkpoint.root.hex()))
            return
        self.checkpoints += 1
        self.tiles.seal(seal.size, self.tree)
        if self.edges:
            self.edges.take(seal.size, tree.edge_bytes())

    @property
    def has_problem(self) -> bool:
        """Whether something was found that counts at the end; such a walk is not gone on from."""
        parts = (self.journal, self.edges, self.tiles, self.payloads)
        return self.link_problem is not None or any(part and part.problem for part in parts)

    def remarks(self) -> list[str]:
        """What is worth knowing besides, after `finish`: of disasters that the log says it had."""
        told = [] if self.succeeds is None else [remark_of(self.succeeds)]
        if self.payloads and self.payloads.lost:
            told.append(
                f"LOST: {self.payloads.lost} payloads, in a disaster, as a log.restored entry says."
            )
        return told

    def finish(self) -> None:
        """All entries and seals were met: what lies beside the entries; raises the first Finding
        among what was kept for now."""
        sealed = self.sealed
        gap = self.removals.find_unexplained_gap(sealed)
        if gap is not None:
            raise missing(*gap, ", and no approved purge under a checkpoint says so")
        if self.journal and self.removals.lacks_kept(sealed):
            sentence = "Entries that the log's purges left, as they say, are missing."
            raise Finding(Word.MISSING, None, sentence)
        if self.link_problem:
            raise self.link_problem
        self.tiles.finish(self.tree)
        if self.journal:
            self.journal.finish()
        if self.payloads:
            self.payloads.finish(self.removals, sealed)
        for part in (self.journal, self.edges, self.tiles, self.payloads):
            if part and part.problem:
                raise part.problem

    def _feed(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            return
        self.confirm_quickly()
        size, count = self.size, len(leaves)
        at = 0
        while (wanted := self.seals.next_size) is not None and wanted <= size + count - 1:
            end = max(wanted - size, at)
            self.tree.extend(leaves[at:end])
            at = end
            self.size = size + at
            self.head = leaves[at - 1] if at else self.head
            self.meet_seals(self.size, self.tree.range())
        self.tree.extend(leaves[at:-1])
        self.size, self.head = size + count, leaves[-1]
        self.pending = leaves[-1]

    def confirm_quickly(self) -> None:
        """As `confirm`, without a look at the tree where no seal waits."""
        if self.pending is not None:
            self.tree.append(self.pending)
            self.pending = None
        wanted = self.seals.next_size
        if wanted is not None and wanted <= self.size:
            self.meet_seals(self.size, self.tree.range())

    def _follow(self, seq: int, type_: str, body: dict[str, Value]) -> None:
        """The journal's own chain, which a purge leaves whole."""
        newest, prior = self.newest_journal, body.get("prior")
        self.newest_journal = seq
        if self.journal:
            self.journal.take(seq, type_)
        if self.link_problem or (prior is None and type_ in UNLINKED_TYPES):
            return
        if (newest < 0 and (prior is None or self.start)) or (
            type(prior) is int and prior == newest
        ):
            return
        if type(prior) is int and newest < prior < seq and self.removals.is_in_gap(prior):
            if self.journal is None:
                return  # in a tree of files the whole bundle goes, with what a purge leaves
            self.link_problem = missing(prior, prior, ", a journal entry, which no purge takes")
            return
        sentence = f"Journal entry {seq} ({type_}) does not name the one before it, {newest}."
        self.link_problem = Finding(Word.TAMPERED, seq, sentence)

    def open(self, claim: Claim) -> Seal | None:
        """The seal, or None for an outside one that says nothing; raises Finding for one that the
        log keeps and nobody in turn signed."""
        try:
            return claim.open(self.chain)
        except NoteError as error:
            if claim.kind is not Kind.OUTSIDE:
                raise self._bad_seal(error) from None
            self.unusable = self.unusable or (
                f"The outside checkpoint of {claim.size} entries cannot be used: {error}."
            )
            return None

    def _bad_seal(self, error: NoteError) -> Finding:
        after = f"after {self.newest.name}" if self.newest else "the first"
        sentence = f"A stored checkpoint ({after}) is not what the log signed: {error}."
        is_unsigned = isinstance(error, UnsignedError) and not isinstance(error, SignatureError)
        return Finding(Word.TAMPERED, None, sentence, needs_vouching=is_unsigned)

    def _rewritten(self, seal: Seal) -> Finding:
        size = seal.size
        first = size_of(self.outside if seal.is_outside else self.newest)
        for gap_first, gap_last in self.removals.gaps:
            if gap_last >= first and gap_first >= self.start:
                return missing(
                    gap_first, gap_last, ", and the hashes kept of them are not what was signed"
                )
        span = f"entries {first} to {size - 1}"
        if seal.is_outside:
            sentence = (
                f"The {seal.name} is signed by the log's key and has another root: "
                f"somewhere in {span} this is another history than the one shown outside."
            )
            return Finding(Word.FORK, first, sentence, is_rewrite=True)
        sentence = (
            f"The {seal.name} has a good signature and another root: somewhere in {span} "
            "the history was rewritten after it was signed."
        )
        return Finding(Word.TAMPERED, first, sentence, is_rewrite=True)


def block_of(prev: bytes, leaf: bytes, time: str, special: Special | None) -> Block:
    """One entry as a block."""
    return Block(prev, [leaf], time, time, None, [special] if special else [])


def size_of(seal: Seal | None) -> int:
    """How many entries it signed, 0 without one."""
    return seal.size if seal else 0
