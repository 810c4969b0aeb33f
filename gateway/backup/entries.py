"""Entries that a command appends while no gateway signs: the next gateway that may sign covers
them. Nothing here signs a checkpoint."""

from collections.abc import Callable, Sequence
from functools import partial

from gateway.audit.groups import EntryBatch, Group
from gateway.audit.history import History
from gateway.audit.journal import Journal, JournalHeads
from gateway.audit.marks import make_mark
from gateway.audit.port import Draft
from gateway.audit.tree import LogTree
from gateway.backup.errors import BackupError
from gateway.clock import Clock
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Engine, write_transaction
from gateway.transparency.entry import GENESIS
from gateway.transparency.notes import Signer, Verifier

Mark = Callable[[int, bytes], bytes]


def append_unsigned(engine: Engine, held: Sequence[Verifier], draft: Draft, clock: Clock) -> int:
    """Append one entry that is no journal entry to a log whose newest key is one of `held`; gives
    its seq. Raises LogBrokenError where what is stored does not hold, ConfigError for another key,
    StorageError."""
    log = held[0].name
    history = History(log, held)
    with write_transaction(engine, log) as connection:
        tree, _ = history.restore(connection)
        journal = history.restore_journal(connection, tree.size)
        history.catch_up(connection, tree, journal, lambda _seq, _data: None)
        batch = _begin(log, clock, tree, journal, _refuse_mark)
        batch.add(Group([draft]))
        (outcome,) = batch.outcomes
        if not isinstance(outcome, list):
            raise outcome
        log_store.insert_entries(connection, log, batch.rows)
    return outcome[0].seq


def open_new_log(
    engine: Engine,
    signer: Signer,
    opening: bytes,
    journal: Sequence[Callable[[int, int], Draft]],
    actor: str,
    clock: Clock,
) -> None:
    """Write the first entries of a new log as one transaction: `log.opened` with the body
    `opening`, then journal entries, each made from its own seq and the `prior` (-1: none). Raises
    BackupError where the log is there already, StorageError."""
    log = signer.name
    with write_transaction(engine, log) as connection:
        if log_store.read_head(connection, log) is not None:
            raise BackupError(f"log {log} is in this database already")
        batch = _begin(log, clock, LogTree(), Journal(), partial(make_mark, signer))
        batch.add(Group([Draft("log.opened", actor, opening)]))
        for seq, make in enumerate(journal, start=1):
            batch.add(Group([make(seq, batch.heads.journal)], after=batch.heads.journal))
        for outcome in batch.outcomes:
            if not isinstance(outcome, list):
                raise outcome
        log_store.insert_entries(connection, log, batch.rows)
        journal_store.insert_journal(connection, log, batch.journal_rows)


def _begin(log: str, clock: Clock, tree: LogTree, journal: Journal, mark: Mark) -> EntryBatch:
    heads: JournalHeads = journal.heads
    return EntryBatch(log, clock.now_us(), tree.size, tree.head or GENESIS, heads, mark)


def _refuse_mark(_seq: int, _leaf: bytes) -> bytes:
    raise BackupError("a journal entry needs the log's key")
