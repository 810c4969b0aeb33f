"""Payloads that a person has unsealed: the log says so before they are (docs/formats.md section 9,
`payload.opened`)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway import canonical
from gateway.audit.groups import EntryBatch, Group
from gateway.audit.journal import EMPTY_JOURNAL
from gateway.audit.lost import Lost
from gateway.audit.port import Draft
from gateway.clock import Clock
from gateway.errors import LogUnavailableError
from gateway.storage import log_store
from gateway.storage.engine import Connection, Engine, StorageError, write_transaction
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import leaf_hash
from gateway.transparency.errors import NoteError
from gateway.transparency.notes import Verifier

OPENED_TYPE = "payload.opened"
MAX_OPENED = 500  # class ids of 48 digits in an entry


class Vault(Protocol):
    """What opens payloads."""

    def open_many(self, classes: Mapping[str, int]) -> Mapping[str, bytes | Lost]:
        """As `PayloadVault.open_many`."""


class OpeningRecorder:
    """Appends to a log that a gateway may be writing to at the same moment, without signing: that
    is the gateway's. Only who holds the log's key may have one, so that a copy which somebody looks
    at stays as it is."""

    def __init__(
        self, engine: Engine, verifier: Verifier, clock: Clock, actor: str, purpose: str
    ) -> None:
        """`verifier` is of the key that the caller holds; raises LogUnavailableError unless it
        signed the newest checkpoint of the log that it names."""
        self._engine = engine
        self._log = verifier.name
        self._clock = clock
        self._actor = actor
        self._purpose = purpose
        try:
            with write_transaction(engine) as connection:
                last = log_store.read_last_checkpoint(connection, self._log)
        except StorageError as error:
            raise LogUnavailableError(f"log {self._log} cannot be written: {error}") from None
        if last is None:
            raise LogUnavailableError(f"log {self._log} has no checkpoint yet")
        try:
            open_checkpoint(last.note, verifier)
        except NoteError:
            raise LogUnavailableError(f"log {self._log} is signed by another key") from None

    def record(self, class_ids: Sequence[str]) -> None:
        """Say that these are about to be opened; raises LogUnavailableError, and then they may not
        be."""
        drafts = [
            Draft(OPENED_TYPE, self._actor, self._body(class_ids[at : at + MAX_OPENED]))
            for at in range(0, len(class_ids), MAX_OPENED)
        ]
        try:
            with write_transaction(self._engine) as connection:
                self._append(connection, drafts)
        except StorageError as error:
            raise LogUnavailableError(f"log {self._log} cannot be written: {error}") from None

    def _append(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        head = log_store.read_head(connection, self._log)
        row = next(log_store.read_entries(connection, self._log, head[0]), None) if head else None
        if head is None or row is None or leaf_hash(row.data) != head[1]:
            raise LogUnavailableError(f"the last entry of log {self._log} does not hold")
        batch = EntryBatch(
            self._log, self._clock.now_us(), head[0] + 1, head[1], EMPTY_JOURNAL, _refuse_mark
        )
        batch.add(Group(drafts))
        (outcome,) = batch.outcomes
        if not isinstance(outcome, list):
            raise outcome
        log_store.insert_entries(connection, self._log, batch.rows)

    def _body(self, class_ids: Sequence[str]) -> bytes:
        return canonical.encode({"classes": list(class_ids), "purpose": self._purpose})


class RecordedVault:
    """A vault that opens nothing that the log does not say first."""

    def __init__(self, vault: Vault, recorder: OpeningRecorder) -> None:
        self._vault = vault
        self._recorder = recorder

    def open_many(self, classes: Mapping[str, int]) -> Mapping[str, bytes | Lost]:
        """As `PayloadVault.open_many`; raises LogUnavailableError, too."""
        if classes:
            self._recorder.record(sorted(classes))
        return self._vault.open_many(classes)


def _refuse_mark(_seq: int, _leaf: bytes) -> bytes:
    raise AssertionError("a journal entry needs the log's key")
