"""Sequencing, without threads: groups into places, durable, then memory, then checkpoints.

One thread at a time may use a sequencer. Any number of processes may each have one over the same
database: the head is read inside the write transaction, and what others appended is checked and
taken into the tree before anything is built on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway import canonical
from gateway.audit.counts import COUNTED_TYPE, CountBook
from gateway.audit.errors import EntryRefusedError, LogBrokenError
from gateway.audit.history import History
from gateway.audit.payloads import MonthKeysMovedError, PayloadVault, SealedBatch
from gateway.audit.port import Appended, Draft, Payload
from gateway.audit.tree import LogTree
from gateway.clock import Clock, format_time
from gateway.errors import CanonicalError, ConfigError, KeyServiceError, LogUnavailableError
from gateway.storage import log_store, payload_store
from gateway.storage.engine import Connection, Engine, StorageError, write_transaction
from gateway.storage.log_store import CheckpointRow, EntryRow
from gateway.storage.payload_store import PayloadRow
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import encode_entry, leaf_hash
from gateway.transparency.errors import EntryError
from gateway.transparency.notes import Signer

_MAX_KEY_RACES = 5
_MONTH_TEXT = len("2026-01")


@dataclass(frozen=True, slots=True)
class Group:
    """What one caller appends: all of it or nothing, gapless."""

    drafts: Sequence[Draft]
    payloads: Sequence[Payload] = ()


Outcome: TypeAlias = "list[Appended] | LogUnavailableError"


@dataclass(slots=True)
class _Built:
    """One transaction's rows and what each group is told once they are durable."""

    rows: list[EntryRow]
    decisions: list[tuple[int, bytes]]
    outcomes: list[Outcome]


class Sequencer:
    """The writing end of one log. `note` is the newest durable checkpoint."""

    def __init__(
        self, engine: Engine, signer: Signer, vault: PayloadVault, clock: Clock, actor: str
    ) -> None:
        self._engine = engine
        self._signer = signer
        self._vault = vault
        self._clock = clock
        self._actor = actor
        self._log = signer.name
        self._history = History(signer.name, signer.verifier)
        self._tree = LogTree()
        self._counts = CountBook(0)
        self._sealed_size = 0
        self._broken: str | None = None
        self._write_failure: str | None = None
        self._seal_failure: str | None = None
        self.note: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the log cannot be written or sealed, None while it can."""
        return self._broken or self._write_failure or self._seal_failure

    @property
    def unsealed(self) -> int:
        """Entries that this process knows of and no checkpoint of its covers."""
        return self._tree.size - self._sealed_size

    def start(self) -> None:
        """Check what is stored and open a new log with its first entry; raises LogBrokenError
        naming the entry, ConfigError for another key, LogUnavailableError."""
        try:
            with write_transaction(self._engine) as connection:
                self._tree, self.note = self._history.restore(connection)
                self._sealed_size = self._tree.size
                self._history.catch_up(connection, self._tree, _ignore)
        except StorageError as error:
            raise LogUnavailableError(f"log {self._log} cannot be opened: {error}") from None
        self._counts = CountBook(self._tree.size)
        if self._tree.size == 0:
            self._open_log()
        self.seal()
        if self.failure is not None:
            raise LogUnavailableError(self.failure)

    def commit(self, groups: Sequence[Group]) -> list[Outcome]:
        """Write all groups in one transaction; each gets its places or its error. When the
        transaction fails all get the error. A commit whose outcome is unknown counts as failed; if
        it did persist, its entries stand and the next write goes on after them."""
        if self._broken is not None:
            return [LogBrokenError(self._broken)] * len(groups)
        try:
            outcomes = self._commit(groups)
        except LogBrokenError as error:
            self._broken = str(error)
            return [error] * len(groups)
        except Exception as error:  # noqa: BLE001 - whatever it was, the callers must keep (P3)
            self._write_failure = f"log {self._log} cannot be written: {_describe(error)}"
            return [LogUnavailableError(self._write_failure)] * len(groups)
        self._write_failure = None
        return outcomes

    def seal(self) -> None:
        """Sign what is durable and not signed yet; store checkpoint, edge, tiles and daily counts
        in one transaction. An error stands in `failure` and the next call tries again."""
        if self._broken is not None:
            return
        try:
            with write_transaction(self._engine) as connection:
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

    def _open_log(self) -> None:
        body = canonical.encode({"checkpoint_key": self._signer.vkey})
        first = Draft("log.opened", self._actor, body)
        try:
            with write_transaction(self._engine) as connection:
                self._history.catch_up(connection, self._tree, self._counts.note)
                if self._tree.size:
                    return  # another process opened it
                built = self._build([Group([first])], [], self._clock.now_us())
                log_store.insert_entries(connection, self._log, built.rows)
        except StorageError as error:
            raise LogUnavailableError(f"log {self._log} cannot be opened: {error}") from None
        if isinstance(built.outcomes[0], LogUnavailableError):
            raise ConfigError(f"log {self._log} cannot be opened: {built.outcomes[0]}")
        self._advance(built)

    def _commit(self, groups: Sequence[Group]) -> list[Outcome]:
        time_us = self._clock.now_us()
        month = format_time(time_us)[:_MONTH_TEXT]
        for _ in range(_MAX_KEY_RACES):
            batch = SealedBatch(month)
            sealed = [self._seal_payloads(batch, group) for group in groups]
            try:
                with write_transaction(self._engine) as connection:
                    built = self._write(connection, groups, batch, sealed, time_us)
            except MonthKeysMovedError:
                continue
            self._advance(built)
            self._vault.keep(batch)
            return built.outcomes
        raise LogUnavailableError("month keys were made or deleted by others at each try")

    def _seal_payloads(
        self, batch: SealedBatch, group: Group
    ) -> list[PayloadRow] | LogUnavailableError:
        if not group.payloads:
            return []
        try:
            return self._vault.seal(batch, group.payloads)
        except KeyServiceError as error:
            return LogUnavailableError(f"a payload cannot be sealed: {error}")
        except EntryRefusedError as error:
            return error

    def _write(
        self,
        connection: Connection,
        groups: Sequence[Group],
        batch: SealedBatch,
        sealed: Sequence[list[PayloadRow] | LogUnavailableError],
        time_us: int,
    ) -> _Built:
        self._history.catch_up(connection, self._tree, self._counts.note)
        self._vault.store(connection, batch)
        keys = Group(self._vault.describe_new_keys(batch, self._actor))
        refused = _refuse_used_class_ids(connection, sealed)
        built = self._build([keys, *groups], [None, *refused], time_us)
        if isinstance(built.outcomes[0], LogUnavailableError):
            raise built.outcomes[0]  # a key without its entry must not stand (P5)
        built.outcomes = built.outcomes[1:]
        log_store.insert_entries(connection, self._log, built.rows)
        rows: list[PayloadRow] = []
        for payloads, outcome in zip(sealed, built.outcomes, strict=True):
            if isinstance(payloads, list) and isinstance(outcome, list):
                rows.extend(payloads)
        payload_store.insert_payloads(connection, self._log, rows)
        return built

    def _build(
        self,
        groups: Sequence[Group],
        refused: Sequence[LogUnavailableError | None],
        time_us: int,
    ) -> _Built:
        """Entries for all groups that can have them; a group that cannot takes no place."""
        built = _Built([], [], [])
        seq, prev = self._tree.size, self._tree.head
        for position, group in enumerate(groups):
            error = refused[position] if position < len(refused) else None
            outcome = error or self._build_group(group.drafts, seq, prev, time_us)
            if isinstance(outcome, LogUnavailableError):
                built.outcomes.append(outcome)
                continue
            built.rows.extend(outcome)
            built.outcomes.append([Appended(row.seq, row.leaf_hash) for row in outcome])
            for draft, row in zip(group.drafts, outcome, strict=True):
                if draft.type == COUNTED_TYPE:
                    built.decisions.append((row.seq, row.data))
            if outcome:
                seq, prev = outcome[-1].seq + 1, outcome[-1].leaf_hash
        return built

    def _build_group(
        self, drafts: Sequence[Draft], first: int, prev: bytes, time_us: int
    ) -> list[EntryRow] | EntryRefusedError:
        rows: list[EntryRow] = []
        for seq, draft in enumerate(drafts, start=first):
            try:
                body = draft.body(first) if callable(draft.body) else draft.body
                data = encode_entry(self._log, seq, prev, time_us, draft.type, draft.actor, body)
            except (EntryError, CanonicalError) as error:
                return EntryRefusedError(f"a {draft.type} entry cannot be written: {error}")
            except Exception as error:  # noqa: BLE001 - a caller's function fails its own group
                return EntryRefusedError(f"a {draft.type} entry has no body: {_describe(error)}")
            prev = leaf_hash(data)
            rows.append(EntryRow(seq, data, prev))
        return rows

    def _advance(self, built: _Built) -> None:
        for row in built.rows:
            self._tree.append(row.leaf_hash)
        for seq, data in built.decisions:
            self._counts.note(seq, data)

    def _seal(self, connection: Connection) -> str | None:
        self._history.catch_up(connection, self._tree, self._counts.note)
        tree = self._tree
        last = log_store.read_last_checkpoint(connection, self._log)
        self._history.agree(last, tree)
        self._counts.flush(connection, self._log, tree.size)
        if tree.size == 0:
            return None
        if last is not None and last.size == tree.size:
            return last.note
        root = tree.root()
        note = sign_checkpoint(tree.size, root, self._signer).note
        log_store.upsert_tiles(connection, self._log, tree.unstored_tiles())
        row = CheckpointRow(tree.size, root, note, tree.edge_bytes())
        log_store.insert_checkpoint(connection, self._log, row)
        return note


def _refuse_used_class_ids(
    connection: Connection, sealed: Sequence[list[PayloadRow] | LogUnavailableError]
) -> list[LogUnavailableError | None]:
    """An error for each group whose payloads could not be sealed or whose class ids are taken (in
    the log or by a group before it): overwriting would lose or revive a payload."""
    if not any(sealed):
        return [None] * len(sealed)
    wanted = [row.class_id for rows in sealed if isinstance(rows, list) for row in rows]
    taken = payload_store.find_payloads(connection, wanted) if wanted else set()
    refused: list[LogUnavailableError | None] = []
    for rows in sealed:
        if isinstance(rows, LogUnavailableError):
            refused.append(rows)
            continue
        ids = [row.class_id for row in rows]
        if taken.intersection(ids) or len(set(ids)) < len(ids):
            refused.append(EntryRefusedError("a class id has a payload already: draw a new salt"))
            continue
        taken.update(ids)
        refused.append(None)
    return refused


def _ignore(_seq: int, _data: bytes) -> None:
    """At the start, decisions past the counts' mark are read by the first flush."""


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
