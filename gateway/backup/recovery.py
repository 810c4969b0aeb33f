"""Taking from an archive what the log had signed after a backup was made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.audit.history import History
from gateway.audit.journal import Journal, JournalLinkError
from gateway.audit.removals import REMOVING_TYPES, removal_named_by
from gateway.audit.removing import carry_out
from gateway.audit.tree import LogTree
from gateway.audit.turns import HANDED_OVER
from gateway.backup.errors import BackupError
from gateway.errors import ConfigError, VerificationError
from gateway.storage import journal_store, log_store
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Connection, Engine, write_transaction
from gateway.storage.journal_store import MarkedRow
from gateway.storage.log_store import CheckpointRow, EntryRow
from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.entry import Fields, leaf_hash, read_fields
from gateway.transparency.journal_types import JOURNAL_TYPES
from gateway.transparency.keys import is_signed
from gateway.transparency.notes import Verifier
from gateway.transparency.source import LogSource

OnEntries = Callable[[int, int], None]

_SEALED = "payloads.sealed"


@dataclass(frozen=True, slots=True)
class Recovered:
    """Entries `first` to `last` were taken from the archive (none when `last < first`). Payloads
    are in no archive: of `payloads_lost` classes that these entries name they are gone."""

    first: int
    last: int
    payloads_lost: int = 0

    @property
    def count(self) -> int:
        """How many entries."""
        return max(0, self.last - self.first + 1)


@dataclass
class _Batch:
    """Entries up to a checkpoint, not written yet."""

    rows: list[EntryRow] = field(default_factory=list)
    journal: list[MarkedRow] = field(default_factory=list)


def recover(
    engine: Engine,
    held: Sequence[Verifier],
    archive: LogSource,
    on_entries: OnEntries = lambda done, total: None,
) -> Recovered:
    """Append to the stored log what `archive` has of it beyond, up to the archive's last signed
    checkpoint, each stretch in one transaction.

    Nothing is believed: entries must follow the stored ones, and each stretch must lead to a
    checkpoint of the key whose turn it was; hand-overs are followed, and one of the keys `held`
    must come last. Erasures and purges among them are done again. Raises BackupError when the two
    are different histories, ConfigError when another key came last, LogBrokenError when the stored
    log does not hold, StorageError and SourceError. What was recovered before an error stands.
    """
    recovery = _Recovery(engine, held, archive)
    first = recovery.open()
    total = archive.estimate_entries()
    while recovery.next_stretch():
        on_entries(recovery.size, total)
    recovery.verify_held()
    return Recovered(first, recovery.size - 1, len(recovery.unsealed))


class _Recovery:
    def __init__(self, engine: Engine, held: Sequence[Verifier], archive: LogSource) -> None:
        self._engine = engine
        self._held = tuple(held)
        self._archive = archive
        self._log = log = held[0].name
        # The copy may be from before a hand-over, under a key that is not held any more; who comes
        # last is looked at when all is there.
        self._history = History(log, [*held, *SqlSealedLog(engine, log).keys()])
        self._tree = LogTree()
        self._journal = Journal()
        self._heads: Iterator[Checkpoint] = iter(())
        self._rows: Iterator[tuple[int, bytes]] = iter(())
        self.unsealed: set[str] = set()

    @property
    def size(self) -> int:
        """Entries that stand."""
        return self._tree.size

    def open(self) -> int:
        """The stored tree, held against the archive; gives the first entry to take."""
        with write_transaction(self._engine, self._log) as connection:
            self._tree, _ = self._history.restore(connection)
            self._journal = self._history.restore_journal(connection, self._tree.size)
            signed = self._tree.size
            self._history.catch_up(connection, self._tree, self._journal, _ignore)
            self._verify_tail(connection, signed)
        self._heads = self._signed_heads(self._tree.size)
        self._rows = self._entries(self._tree.size)
        return self._tree.size

    def next_stretch(self) -> bool:
        """Take the entries up to the archive's next checkpoint; False after the last."""
        head = next(self._heads, None)
        if head is None:
            return False
        with write_transaction(self._engine, self._log) as connection:
            batch = _Batch()
            removing: list[Fields] = []
            while self._tree.size < head.size:
                fields = self._take(batch)
                if fields["type"] in REMOVING_TYPES:
                    removing.append(fields)
            if self._tree.root() != head.root:
                raise self._another(f"the root that was signed at {head.size} entries is another")
            self._write(connection, batch, head)
            self._take_turn(batch, head)
            named = [removal_named_by(fields["type"], fields["body"]) for fields in removing]
            carry_out(connection, self._log, named)
        self._tree.mark_stored()
        for fields in removing:
            self.unsealed.difference_update(
                removal_named_by(fields["type"], fields["body"]).class_ids
            )
        return True

    def verify_held(self) -> None:
        """The newest key is one of those that were given."""
        newest = self._history.turns.newest
        if newest not in self._held:
            raise ConfigError(
                f"the log's key is {newest.vkey} in the end, not the configured one: name its file "
                "in log.checkpoint_key"
            )

    def _take(self, batch: _Batch) -> Fields:
        seq = self._tree.size
        found = next(self._rows, None)
        if found is None or found[0] != seq:
            raise BackupError(
                f"entry {seq} of log {self._log} is not in the archive, which has later ones: "
                "run `gateway audit verify` over the archive"
            )
        try:
            fields = read_fields(found[1])
        except VerificationError as error:
            raise self._another(f"entry {seq}: {error}") from None
        if (fields["log"], fields["seq"], fields["prev"]) != (
            self._log,
            seq,
            self._tree.head.hex(),
        ):
            raise self._another(f"entry {seq} does not follow the stored entry before it")
        leaf = leaf_hash(found[1])
        batch.rows.append(EntryRow(seq, found[1], leaf))
        if fields["type"] in JOURNAL_TYPES:
            self._follow(fields)
            # Without a mark: the checkpoint that is stored with it vouches for it.
            batch.journal.append(MarkedRow(seq, fields["type"], None))
        elif fields["type"] == _SEALED:
            self._note_sealed(fields)
        self._tree.append(leaf)
        return fields

    def _take_turn(self, batch: _Batch, head: Checkpoint) -> None:
        """A hand-over counts when the checkpoint right behind it is signed by both keys."""
        last = batch.journal[-1] if batch.journal else None
        if last is None or last.type != HANDED_OVER or last.seq + 1 != head.size:
            return
        new = read_fields(batch.rows[-1].data)["body"].get("new")
        if isinstance(new, str) and is_signed(head.note, Verifier.from_vkey(new)):
            self._history.note_handover(last.seq, {"new": new})

    def _note_sealed(self, fields: Fields) -> None:
        rows = fields["body"].get("payloads")
        if isinstance(rows, list):
            self.unsealed.update(str(row[0]) for row in rows if isinstance(row, list) and row)

    def _follow(self, fields: Fields) -> None:
        try:
            self._journal.follow(fields["seq"], fields["type"], fields["body"])
        except JournalLinkError as error:
            raise self._another(f"entry {fields['seq']}: {error}") from None

    def _write(self, connection: Connection, batch: _Batch, head: Checkpoint) -> None:
        log_store.insert_entries(connection, self._log, batch.rows)
        journal_store.insert_journal(connection, self._log, batch.journal)
        log_store.upsert_tiles(connection, self._log, self._tree.unstored_tiles())
        row = CheckpointRow(head.size, head.root, head.note, self._tree.edge_bytes())
        log_store.insert_checkpoint(connection, self._log, row)

    def _verify_tail(self, connection: Connection, signed: int) -> None:
        """What the backup holds beyond its newest checkpoint must be what was signed later."""
        kept = log_store.read_leaf_hashes(connection, self._log, signed, self._tree.size)
        for (seq, data), leaf in zip(self._entries(signed), kept, strict=False):
            if leaf_hash(data) != leaf:
                raise self._another(f"entry {seq} is another one in the archive")

    def _entries(self, first: int) -> Iterator[tuple[int, bytes]]:
        for batch in self._archive.entries(first):
            for seq, data, _ in batch:
                if isinstance(seq, int) and isinstance(data, bytes):
                    yield seq, data

    def _signed_heads(self, size: int) -> Iterator[Checkpoint]:
        """The archive's checkpoints beyond `size` that hold, each size once."""
        last = size
        for claimed, _root, note in self._archive.checkpoints(size + 1):
            if not isinstance(claimed, int) or claimed <= last or not isinstance(note, bytes):
                continue
            try:
                head = self._history.turns.open(note.decode(errors="replace"), claimed)
            except VerificationError:
                continue  # another note of this size may hold; if none does, the next one covers it
            if head.size == claimed:
                last = head.size
                yield head

    def _another(self, what: str) -> BackupError:
        return BackupError(
            f"the archive and the database are different histories of log {self._log}: {what}. "
            "Keep both as evidence and verify both"
        )


def _ignore(_seq: int, _data: bytes) -> None:
    """Counts are read by the first flush."""
