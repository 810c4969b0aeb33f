"""Reading the stored log back into memory, believing nothing of it that does not check."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from gateway.audit.counts import COUNTED_TYPE
from gateway.audit.errors import LogBrokenError
from gateway.audit.journal import Journal, JournalHeads, JournalLinkError, read_journal_type
from gateway.audit.marks import is_marked
from gateway.audit.port import Removal
from gateway.audit.removals import REMOVING_TYPES, LawfulLosses, removal_named_by
from gateway.audit.signed import SignedLeaves
from gateway.audit.tree import TILE_WIDTH, LogTree, TreeError
from gateway.audit.turns import HANDED_OVER, Turns, read_turns
from gateway.canonical import Value
from gateway.errors import ConfigError
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Connection
from gateway.storage.journal_store import JournalEntryRow
from gateway.storage.log_store import CheckpointRow, EntryRow
from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.entry import Entry, Fields, leaf_hash, parse_entry, read_fields
from gateway.transparency.errors import EntryError, NoteError, ProofError
from gateway.transparency.journal_types import JOURNAL_TYPES
from gateway.transparency.merkle import EMPTY_ROOT
from gateway.transparency.notes import Verifier

_BEGINNING = 256  # entries: the first activation stands among them


class History:
    """One stored log. Every method raises LogBrokenError, naming the entry, when it disagrees."""

    def __init__(self, origin: str, held: Sequence[Verifier]) -> None:
        """`held`: the keys that this process was given, the one it was configured with first. The
        one whose turn it is must be among them (ConfigError)."""
        self._origin = origin
        self._held = tuple(held)
        self._turns: Turns | None = None

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    @property
    def turns(self) -> Turns:
        """The log's keys, as far as it was read."""
        return self._turns or Turns(self._held[:1])

    def restore(self, connection: Connection) -> tuple[LogTree, str | None]:
        """The tree at the last checkpoint and that checkpoint's note; an empty tree and None
        before the first. Entries after it are `catch_up`'s."""
        self._turns = read_turns(connection, self._origin, self._held)
        row = log_store.read_last_checkpoint(connection, self._origin)
        if row is None:
            return LogTree(), None
        self._open(row)
        tree = self._restore_tree(connection, row)
        if tree.root() != row.root:
            raise LogBrokenError(
                f"the stored right edge at size {row.size} of log {self._origin} does not have the "
                "root of its checkpoint; run `gateway audit verify`"
            )
        return tree, row.note

    def restore_journal(self, connection: Connection, size: int) -> Journal:
        """The journal as it was at `size` entries; all its rows are checked, later ones too."""
        journal = Journal()
        is_empty = True
        for entry in self.read_journal(connection):
            is_empty = False
            if entry.seq < size:
                self._follow(journal, entry)
        if is_empty:
            self._verify_no_journal(connection)
        return journal

    def _verify_no_journal(self, connection: Connection) -> None:
        """A log begins with an activation: an index without any row must not look like a new log,
        whose first start would put the configuration's bundle in force."""
        for row in self._first_rows(connection, 0, _BEGINNING):
            data = row.data if isinstance(row.data, bytes) else b""
            if (kind := read_journal_type(data)) is not None:
                raise self._broken(row.seq, f"it is {kind} and has no such journal row")

    def read_journal(self, connection: Connection, start: int = 0) -> Iterator[Entry]:
        """The journal's entries from `start` on, in order: each is the entry that its row says,
        follows the one before it, and is signed by a checkpoint or carries its mark."""
        self._learn_turns(connection)
        before = journal_store.read_newest_before(connection, self._origin, start)
        journal = Journal(JournalHeads(before, -1))
        signed: SignedLeaves | None = None
        for row in journal_store.read_journal(connection, self._origin, start):
            entry = self._open_journal_row(row)
            if signed is None:
                signed = self.signed_leaves(connection)
            self._verify_ours(signed, row)
            self._follow(journal, entry)
            yield entry

    def catch_up(
        self,
        connection: Connection,
        tree: LogTree,
        journal: Journal,
        on_decisions: Callable[[int, bytes], None],
        on_removal: Callable[[Removal], None] = lambda removal: None,
    ) -> None:
        """Take the entries past the tree into it, from their bytes, the journal entries among them
        into the journal, and show the decisions (seq, bytes) and what was removed. Of entries that
        were purged meanwhile the signed leaf hashes are taken. On an error all hold the entries
        before the bad one."""
        head = log_store.read_head(connection, self._origin)
        size = 0 if head is None else head[0] + 1
        if size < tree.size:
            raise LogBrokenError(
                f"entry {size} of log {self._origin} is missing: {tree.size} entries were written, "
                f"{size} are there; compare with a backup"
            )
        if head is None:
            return
        if size == tree.size:
            if head[1] != tree.head:
                raise self._broken(head[0], "it is not the one that was written")
            return
        for row in log_store.read_entries(connection, self._origin, tree.size):
            if row.seq > tree.size:
                self._pass_purged(connection, tree, row.seq)
            leaf, fields = self._check(row, tree.size, tree.head)
            if fields["type"] in JOURNAL_TYPES:
                self._follow_foreign(connection, journal, fields, leaf)
                if fields["type"] in REMOVING_TYPES:
                    on_removal(removal_named_by(fields["type"], fields["body"]))
            tree.append(leaf)
            if fields["type"] == COUNTED_TYPE:
                on_decisions(row.seq, row.data)

    def agree(self, row: CheckpointRow | None, tree: LogTree) -> None:
        """The newest stored checkpoint must be one of this tree or before it."""
        if row is None:
            return
        if row.size > tree.size:
            raise LogBrokenError(
                f"a checkpoint of log {self._origin} signed {row.size} entries, {tree.size} are "
                "there; compare with a backup"
            )
        if row.size == tree.size and (row.root != tree.root() or self._open(row).root != row.root):
            raise LogBrokenError(
                f"the checkpoint of log {self._origin} at size {row.size} has another root: two "
                "histories were signed with one key"
            )

    def note_handover(self, seq: int, body: Mapping[str, Value]) -> None:
        """A `key.handed-over` entry stands at `seq`, and its checkpoint; raises LogBrokenError for
        a key that is none."""
        try:
            new = Verifier.from_vkey(str(body.get("new")))
        except NoteError as error:
            raise self._broken(seq, f"it hands over to no key: {error}") from None
        self.take_turn(seq + 1, new)

    def take_turn(self, seam: int, new: Verifier) -> None:
        """The checkpoint of size `seam`, signed by both keys, stands."""
        self._turns = self.turns.handed_over(seam, new)

    def _learn_turns(self, connection: Connection) -> None:
        if self._turns is None:
            self._turns = read_turns(connection, self._origin, self._held)

    def _open(self, row: CheckpointRow) -> Checkpoint:
        try:
            checkpoint = self.turns.open(row.note, row.size)
        except NoteError as error:
            raise ConfigError(
                f"the checkpoint at size {row.size} of log {self._origin} was not signed by the "
                f"key whose turn it was ({self.turns.newest.vkey} now): {error}"
            ) from None
        if (checkpoint.size, checkpoint.root) != (row.size, row.root):
            raise LogBrokenError(
                f"the checkpoint row at size {row.size} of log {self._origin} is not what was "
                "signed; run `gateway audit verify`"
            )
        return checkpoint

    def _restore_tree(self, connection: Connection, row: CheckpointRow) -> LogTree:
        width = row.size % TILE_WIDTH
        leaves = self._last_leaves(connection, row.size, max(width, 1))
        try:
            tree = LogTree.restore(
                row.size,
                row.edge,
                leaves[len(leaves) - width :],
                lambda level, idx: log_store.read_tile(connection, self._origin, level, idx),
            )
        except (TreeError, ProofError) as error:
            raise LogBrokenError(
                f"log {self._origin} at its last checkpoint ({row.size} entries): {error}; run "
                "`gateway audit verify`"
            ) from None
        tree.head = leaves[-1]
        return tree

    def _last_leaves(self, connection: Connection, size: int, count: int) -> list[bytes]:
        """Leaf hashes of entries size-count..size-1, from their bytes."""
        leaves: list[bytes] = []
        for row in self._first_rows(connection, size - count, count):
            seq = size - count + len(leaves)
            if row.seq != seq:
                raise self._broken(seq, "it is missing")
            leaves.append(self._leaf(row))
        if len(leaves) < count:
            raise self._broken(size - count + len(leaves), "it is missing, and was signed")
        return leaves

    def _first_rows(self, connection: Connection, start: int, count: int) -> Iterator[EntryRow]:
        for row in log_store.read_entries(connection, self._origin, start):
            if row.seq >= start + count:
                return
            yield row

    def _pass_purged(self, connection: Connection, tree: LogTree, stop: int) -> None:
        """Take the leaf hashes up to `stop` of entries whose rows left lawfully since."""
        losses = LawfulLosses()
        for entry in self.read_journal(connection):
            losses.add(removal_named_by(entry.type, entry.body))
        signed = self.signed_leaves(connection)
        while tree.size < stop:
            if not losses.is_purged(tree.size) or tree.size >= signed.size:
                raise self._broken(tree.size, "it is missing")
            try:
                tree.append(signed.leaf(tree.size))
            except (TreeError, TypeError) as error:
                raise self._broken(tree.size, f"it was purged, and its tile: {error}") from None

    def signed_leaves(self, connection: Connection) -> SignedLeaves:
        """The leaf hashes below the newest checkpoint, out of tiles that lead to its root."""
        self._learn_turns(connection)
        row = log_store.read_last_checkpoint(connection, self._origin)
        if row is not None:
            self._open(row)
        size, root = (0, EMPTY_ROOT) if row is None else (row.size, row.root)
        try:
            return SignedLeaves(
                size,
                root,
                lambda level, idx: log_store.read_tile(connection, self._origin, level, idx),
                lambda start, stop: log_store.read_leaf_hashes(
                    connection, self._origin, start, stop
                ),
            )
        except (TreeError, ProofError, TypeError) as error:  # a hand may store text for bytes
            raise LogBrokenError(
                f"log {self._origin} at its last checkpoint ({size} entries): {error}; run "
                "`gateway audit verify`"
            ) from None

    def _verify_ours(self, signed: SignedLeaves, row: JournalEntryRow) -> None:
        """Signed by the newest checkpoint, or appended since by who holds the log's key."""
        assert row.leaf_hash is not None
        if row.seq >= signed.size:
            self._verify_mark(row.seq, row.leaf_hash, row.mark)
            return
        try:
            leaf = signed.leaf(row.seq)
        except (TreeError, TypeError) as error:
            raise self._broken(row.seq, f"no checkpoint vouches for it: {error}") from None
        if leaf != row.leaf_hash:
            raise self._broken(row.seq, "it is not the one that was signed")

    def _verify_mark(self, seq: int, leaf: bytes, mark: bytes | None) -> None:
        if not is_marked(self.turns.newest, seq, leaf, mark):
            raise self._broken(seq, "nobody who holds the log's key appended it (journal mark)")

    def _open_journal_row(self, row: JournalEntryRow) -> Entry:
        if row.type not in JOURNAL_TYPES:
            raise self._broken(row.seq, f"the journal says {row.type!r}, which this gateway lacks")
        if row.data is None or row.leaf_hash is None:
            raise self._broken(row.seq, "the journal names it and it is missing")
        self._leaf(EntryRow(row.seq, row.data, row.leaf_hash))
        try:
            entry = parse_entry(row.data)
        except EntryError as error:
            raise self._broken(row.seq, str(error)) from None
        if entry.seq != row.seq or entry.origin != self._origin:
            raise self._broken(row.seq, "its bytes belong to another place or log")
        if entry.type != row.type:
            raise self._broken(row.seq, f"the journal says {row.type}, it is {entry.type}")
        return entry

    def _follow_foreign(
        self, connection: Connection, journal: Journal, fields: Fields, leaf: bytes
    ) -> None:
        seq, kind = fields["seq"], fields["type"]
        row = journal_store.read_row(connection, self._origin, seq)
        if row is None or row.type != kind:
            raise self._broken(seq, f"it is {kind} and has no such journal row")
        self._verify_mark(seq, leaf, row.mark)
        try:
            journal.follow(seq, kind, fields["body"])
        except JournalLinkError as error:
            raise self._broken(seq, str(error)) from None
        if kind == HANDED_OVER and seq + 1 not in self.turns.seams:
            self.note_handover(seq, fields["body"])

    def _follow(self, journal: Journal, entry: Entry) -> None:
        try:
            journal.follow(entry.seq, entry.type, entry.body)
        except JournalLinkError as error:
            raise self._broken(entry.seq, str(error)) from None

    def _check(self, row: EntryRow, size: int, head: bytes) -> tuple[bytes, Fields]:
        if row.seq != size:
            raise self._broken(size, "it is missing")
        leaf = self._leaf(row)
        try:
            fields = read_fields(row.data)
        except EntryError as error:
            raise self._broken(size, str(error)) from None
        if fields["prev"] != head.hex():
            raise self._broken(size, "it does not follow the entry before it")
        if fields["seq"] != size or fields["log"] != self._origin:
            raise self._broken(size, "its bytes belong to another place or log")
        return leaf, fields

    def _leaf(self, row: EntryRow) -> bytes:
        # SQLite lets a hand store text where bytes belong, whatever the column says.
        if not isinstance(row.data, bytes):
            raise self._broken(row.seq, "its bytes are not stored as bytes")
        leaf = leaf_hash(row.data)
        if leaf != row.leaf_hash:
            raise self._broken(row.seq, "its bytes do not have the stored leaf hash")
        return leaf

    def _broken(self, seq: int, why: str) -> LogBrokenError:
        return LogBrokenError(
            f"entry {seq} of log {self._origin}: {why}; run `gateway audit verify` and compare "
            "with a backup"
        )
