"""Sequencing, without threads: groups into places, durable, then memory, then checkpoints.

One thread at a time may use a sequencer. Any number of processes may each have one over the same
database: the head is read inside the write transaction, and what others appended is checked and
taken into the tree before anything is built on it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from gateway import canonical
from gateway.audit.counts import CountBook
from gateway.audit.errors import EntryRefusedError, LogBrokenError
from gateway.audit.groups import EntryBatch, Group, Outcome
from gateway.audit.handover import SignedHandover, is_handover, sign_handover
from gateway.audit.history import History
from gateway.audit.journal import Journal, JournalHeads
from gateway.audit.marks import make_mark
from gateway.audit.payloads import MonthKeysMovedError, PayloadVault, SealedBatch
from gateway.audit.port import Draft, Removal
from gateway.audit.proofs import ProofReader
from gateway.audit.removal_news import RemovalNews
from gateway.audit.removals import REMOVING_TYPES
from gateway.audit.removing import carry_out, find_refusal
from gateway.audit.sealing import Sealed, SealedGroup, find_refusals, seal_group
from gateway.audit.tree import LogTree
from gateway.audit.turns import Turns
from gateway.clock import Clock, format_time
from gateway.errors import ConfigError, LogUnavailableError
from gateway.storage import journal_store, log_store, payload_store
from gateway.storage.engine import (
    Connection,
    Engine,
    StorageError,
    scrub,
    write_transaction,
)
from gateway.storage.log_store import CheckpointRow
from gateway.storage.payload_store import PayloadRow
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.notes import Signer, Verifier

_MAX_KEY_RACES = 5
_MONTH_TEXT = len("2026-01")

Inquiry = Callable[[int, ProofReader, str | None], None]
"""Asked with how many entries are here, proofs over the signed ones, and the newest checkpoint."""


def ask_nobody(_size: int, _proofs: ProofReader, _note: str | None) -> None:
    """The inquiry of a log that nobody else can have seen."""


class Sequencer:
    """The writing end of one log. `note` is the newest durable checkpoint; `unscrubbed` says why
    what was removed is still in the database's files, None where it is not."""

    def __init__(
        self,
        engine: Engine,
        signers: Sequence[Signer],
        vault: PayloadVault,
        clock: Clock,
        actor: str,
        inquire: Inquiry = ask_nobody,
        is_waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        """`signers`: the keys that this process holds, the configured one first. Nothing is signed
        while `is_waiting()`, which is no failure."""
        self._engine = engine
        self._signers = {signer.verifier: signer for signer in signers}
        self._inquire = inquire
        self._is_waiting = is_waiting
        self._vault = vault
        self._clock = clock
        self._actor = actor
        self._log = signers[0].name
        self._history = History(self._log, self.held)
        self._tree = LogTree()
        self._journal = Journal()
        self._counts = CountBook(0)
        self._sealed_size = 0
        self._broken: str | None = None
        self._write_failure: str | None = None
        self._seal_failure: str | None = None
        self._holds: list[Callable[[], str | None]] = []
        self._news = RemovalNews(vault.forget)
        self._to_scrub = False
        self.unscrubbed: str | None = None
        self.note: str | None = None

    @property
    def held(self) -> tuple[Verifier, ...]:
        """The public halves of the keys that this process holds."""
        return tuple(self._signers)

    @property
    def turns(self) -> Turns:
        """The log's keys as far as this process knows."""
        return self._history.turns

    @property
    def failure(self) -> str | None:
        """Why the log cannot be written or sealed, None while it can."""
        return self._broken or self._write_failure or self._seal_failure

    @property
    def unsealed(self) -> int:
        """Entries that this process knows of and no checkpoint of its covers."""
        return self._tree.size - self._sealed_size

    @property
    def heads(self) -> JournalHeads:
        """The journal's heads as far as this process knows, all durable."""
        return self._journal.heads

    @property
    def must_scrub(self) -> bool:
        """Whether something was removed that `scrub` has not driven out of the files yet."""
        return self._to_scrub

    def on_removal(self, listener: Callable[[Removal], None]) -> None:
        """Have `listener` told of each removal, by whichever process, on whichever thread."""
        self._news.listen(listener)

    def tell_removal(self, removal: Removal) -> None:
        """Tell of a removal that the journal says was carried out; once, however often it is met:
        by the writer, and by whoever reads the journal where nothing is written."""
        self._news.tell(removal)

    def hold_signing(self, reason: Callable[[], str | None]) -> None:
        """Sign nothing while `reason()` gives one."""
        self._holds.append(reason)

    def start(self) -> None:
        """Check what is stored and open a new log with its first entry; raises LogBrokenError
        naming the entry, ConfigError for another key, LogUnavailableError.

        Before anything is written or signed the inquiry is asked, with what is here: an old copy of
        a log that others have seen more of must not go on (a fork). What it raises is raised.
        """
        try:
            with write_transaction(self._engine, self._log) as connection:
                self._tree, self.note = self._history.restore(connection)
                self._sealed_size = self._tree.size
                self._journal = self._history.restore_journal(connection, self._tree.size)
                self._history.catch_up(connection, self._tree, self._journal, _ignore)
                rows = journal_store.read_rows(connection, self._log, self._tree.size)
                self._inquire(self._tree.size, ProofReader(connection, self._log), self.note)
        except StorageError as error:
            raise LogUnavailableError(f"log {self._log} cannot be opened: {error}") from None
        # Whoever removed something may have been killed before it had left the files.
        self._to_scrub = any(row.type in REMOVING_TYPES for row in rows)
        self._counts = CountBook(self._tree.size)
        if self._tree.size == 0:
            self._open_log()
        self.seal()
        if self.failure is not None:
            raise LogUnavailableError(self.failure)

    def commit(self, groups: Sequence[Group]) -> list[Outcome]:
        """Write all groups; each gets its places or its error. They are one transaction, but for a
        hand-over of keys, which is one of its own since it is signed in it. When a transaction
        fails all groups in it get the error, and those of the others what became of them. A commit
        whose outcome is unknown counts as failed; if it did persist, its entries stand and the next
        write goes on after them."""
        outcomes: list[Outcome] = []
        for is_alone, part in groupby(groups, key=is_handover):
            for together in ([one] for one in part) if is_alone else (list(part),):
                outcomes += self._commit(together)
        return outcomes

    def seal(self) -> None:
        """Sign what is durable and not signed yet; store checkpoint, edge, tiles and daily counts
        in one transaction. An error stands in `failure` and the next call tries again."""
        if self._broken is not None or self._is_waiting():
            return
        if (reason := self._find_hold()) is not None:
            self._seal_failure = f"log {self._log} is not signed: {reason}"
            return
        try:
            with write_transaction(self._engine, self._log) as connection:
                note = self._seal(connection)
        except LogBrokenError as error:
            self._broken = str(error)
            return
        except Exception as error:  # noqa: BLE001 - the appender must live on and try again
            self._seal_failure = f"log {self._log} cannot be sealed: {_describe(error)}"
            return
        self._tree.mark_stored()
        self._counts.mark_flushed(self._tree.size)
        self._sealed_size = self._tree.size
        self.note = note
        self._seal_failure = self._write_failure = None

    def scrub(self) -> None:
        """Drive what was removed out of the database's files, where anything was. An error stands
        in `unscrubbed`, and the next call tries again."""
        if not self._to_scrub:
            return
        try:
            scrub(self._engine)
        except StorageError as error:
            self.unscrubbed = str(error)
            return
        self._to_scrub, self.unscrubbed = False, None

    def _open_log(self) -> None:
        body = canonical.encode({"checkpoint_key": self._signer().vkey})
        first = Draft("log.opened", self._actor, body)
        try:
            with write_transaction(self._engine, self._log) as connection:
                self._catch_up(connection)
                if self._tree.size:
                    return  # another process opened it
                built = self._begin(self._clock.now_us())
                built.add(Group([first]))
                log_store.insert_entries(connection, self._log, built.rows)
        except StorageError as error:
            raise LogUnavailableError(f"log {self._log} cannot be opened: {error}") from None
        if isinstance(built.outcomes[0], LogUnavailableError):
            raise ConfigError(f"log {self._log} cannot be opened: {built.outcomes[0]}")
        self._advance(built)

    def _commit(self, groups: Sequence[Group]) -> list[Outcome]:
        """One transaction, and its error for all of them."""
        if self._broken is not None:
            return [LogBrokenError(self._broken)] * len(groups)
        try:
            outcomes = self._commit_together(groups)
        except LogBrokenError as error:
            self._broken = str(error)
            return [error] * len(groups)
        except Exception as error:  # noqa: BLE001 - whatever it was, the callers must keep (P3)
            self._write_failure = f"log {self._log} cannot be written: {_describe(error)}"
            return [LogUnavailableError(self._write_failure)] * len(groups)
        self._write_failure = None
        return outcomes

    def _commit_together(self, groups: Sequence[Group]) -> list[Outcome]:
        time_us = self._clock.now_us()
        month = format_time(time_us)[:_MONTH_TEXT]
        for _ in range(_MAX_KEY_RACES):
            batch = SealedBatch(month)
            sealed = [seal_group(self._vault, batch, group, self._actor) for group in groups]
            try:
                with write_transaction(self._engine, self._log) as connection:
                    built = self._write(connection, groups, batch, sealed, time_us)
                    handed_over = self._hand_over(connection, groups, built)
            except MonthKeysMovedError:
                continue
            except EntryRefusedError as error:  # a hand-over, alone in its transaction
                return [error]
            self._advance(built)
            if handed_over is not None:
                self._take_turn(handed_over)
            if built.removals:  # what is gone is explained by sealed entries alone
                self.seal()
            self._vault.keep(batch)
            return built.outcomes
        raise LogUnavailableError("month keys were made or deleted by others at each try")

    def _write(
        self,
        connection: Connection,
        groups: Sequence[Group],
        batch: SealedBatch,
        sealed: Sequence[Sealed],
        time_us: int,
    ) -> EntryBatch:
        self._catch_up(connection)
        self._vault.store(connection, batch)
        refused = self._find_refusals(connection, groups, sealed, batch.month)
        built = self._begin(time_us)
        built.add(Group(self._vault.describe_new_keys(batch, self._actor)))
        keys = built.outcomes.pop()
        if not isinstance(keys, list):
            raise keys  # a key without its entry must not stand (P5)
        for group, one, error in zip(groups, sealed, refused, strict=True):
            built.add(group, error, one.drafts if isinstance(one, SealedGroup) else ())
        log_store.insert_entries(connection, self._log, built.rows)
        journal_store.insert_journal(connection, self._log, built.journal_rows)
        rows: list[PayloadRow] = []
        for one, outcome in zip(sealed, built.outcomes, strict=True):
            if isinstance(one, SealedGroup) and isinstance(outcome, list):
                rows.extend(one.rows)
        payload_store.insert_payloads(connection, self._log, rows)
        carry_out(connection, self._log, built.removals)
        return built

    def _hand_over(
        self, connection: Connection, groups: Sequence[Group], built: EntryBatch
    ) -> SignedHandover | None:
        """The checkpoint of both keys over a hand-over that was just inserted, stored with it."""
        if not is_handover(groups[0]) or not isinstance(built.outcomes[0], list):
            return None
        self._history.agree(log_store.read_last_checkpoint(connection, self._log), self._tree)
        made = sign_handover(self._tree, built.rows, self._signer(), self._signers.values())
        self._store_checkpoint(connection, made.tree, made.tree.root(), made.note)
        return made

    def _take_turn(self, made: SignedHandover) -> None:
        self._history.take_turn(made.tree.size, made.new)
        self._tree.mark_stored()
        self._sealed_size, self.note = made.tree.size, made.note

    def _find_refusals(
        self,
        connection: Connection,
        groups: Sequence[Group],
        sealed: Sequence[Sealed],
        month: str,
    ) -> list[LogUnavailableError | None]:
        refused = find_refusals(connection, sealed)
        for at, group in enumerate(groups):
            if group.removal is not None and refused[at] is None:
                refused[at] = find_refusal(connection, self._history, group.removal, month)
            if is_handover(group) and refused[at] is None:
                refused[at] = self._find_unsigned()
        return refused

    def _find_unsigned(self) -> EntryRefusedError | None:
        """Why a hand-over, which is signed at once, may not be now."""
        why = "collectors are listened to first" if self._is_waiting() else self._find_hold()
        return None if why is None else EntryRefusedError(f"nothing is signed now: {why}")

    def _find_hold(self) -> str | None:
        return next((why for hold in self._holds if (why := hold()) is not None), None)

    def _begin(self, time_us: int) -> EntryBatch:
        tree = self._tree
        heads, mark = self._journal.heads, partial(make_mark, self._signer())
        return EntryBatch(self._log, time_us, tree.size, tree.head, heads, mark)

    def _catch_up(self, connection: Connection) -> None:
        tree, journal = self._tree, self._journal
        self._history.catch_up(connection, tree, journal, self._counts.note, self._removed)

    def _removed(self, removal: Removal) -> None:
        self._to_scrub = True
        self.tell_removal(removal)

    def _advance(self, built: EntryBatch) -> None:
        for row in built.rows:
            self._tree.append(row.leaf_hash)
        self._journal.heads = built.heads
        for removal in built.removals:
            self._removed(removal)
        for seq, data in built.decisions:
            self._counts.note(seq, data)

    def _seal(self, connection: Connection) -> str | None:
        self._catch_up(connection)
        tree = self._tree
        last = log_store.read_last_checkpoint(connection, self._log)
        self._history.agree(last, tree)
        self._counts.flush(connection, self._log, tree.size)
        if tree.size == 0:
            return None
        if last is not None and last.size == tree.size:
            return last.note
        root = tree.root()
        note = sign_checkpoint(tree.size, root, self._signer()).note
        self._store_checkpoint(connection, tree, root, note)
        return note

    def _store_checkpoint(
        self, connection: Connection, tree: LogTree, root: bytes, note: str
    ) -> None:
        log_store.upsert_tiles(connection, self._log, tree.unstored_tiles())
        row = CheckpointRow(tree.size, root, note, tree.edge_bytes())
        log_store.insert_checkpoint(connection, self._log, row)

    def _signer(self) -> Signer:
        """Of the key whose turn it is; raises LogUnavailableError where this process lacks it."""
        turn = self._history.turns.newest
        signer = self._signers.get(turn)
        if signer is None:
            raise LogUnavailableError(
                f"log {self._log} was handed over to the key {turn.vkey}, which this gateway does "
                "not hold: name its file in log.checkpoint_key and start again"
            )
        return signer


def _ignore(_seq: int, _data: bytes) -> None:
    """At the start, decisions past the counts' mark are read by the first flush."""


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
