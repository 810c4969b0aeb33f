"""The log in a database: the Log port's adapter, with checkpoints, proofs and payloads."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.audit.appender import MAX_WAITING_ENTRIES, Appender
from gateway.audit.background import BackgroundVerification
from gateway.audit.errors import LogBrokenError
from gateway.audit.groups import Group
from gateway.audit.handover import read_handovers
from gateway.audit.history import History
from gateway.audit.journal import JournalHeads
from gateway.audit.payloads import PayloadVault
from gateway.audit.port import Appended, Draft, Payload, Removal
from gateway.audit.proofs import ProofReader
from gateway.audit.removals import REMOVING_TYPES, removal_named_by
from gateway.audit.sequencer import Inquiry, Sequencer, ask_nobody
from gateway.clock import Clock
from gateway.errors import ConfigError, LogUnavailableError
from gateway.sealed.port import KeyService
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Connection, Engine, StorageError, read_transaction
from gateway.storage.log_store import CountRow
from gateway.transparency.entry import Entry
from gateway.transparency.notes import Signer, Verifier
from gateway.wire.handovers import HandoversAnswer

CHECKPOINT_INTERVAL_SECONDS = 1.0
T = TypeVar("T")


class SqlLog:
    """One log in one database (already migrated), for one process. Made by `open`."""

    def __init__(
        self,
        engine: Engine,
        signer: Signer,
        sequencer: Sequencer,
        appender: Appender,
        vault: PayloadVault,
    ) -> None:
        self._engine = engine
        self._signer = signer
        self._sequencer = sequencer
        self._appender = appender
        self._background: BackgroundVerification | None = None
        self.vault = vault

    @classmethod
    async def open(
        cls,
        engine: Engine,
        origin: str,
        signer: Signer,
        vault_key_service: KeyService,
        clock: Clock,
        actor: str,
        random: Callable[[int], bytes] = os.urandom,
        checkpoint_interval_seconds: float = CHECKPOINT_INTERVAL_SECONDS,
        max_waiting_entries: int = MAX_WAITING_ENTRIES,
        next_signer: Signer | None = None,
        inquire: Inquiry = ask_nobody,
        is_waiting: Callable[[], bool] = lambda: False,
    ) -> "SqlLog":
        """Check the stored log against its last checkpoint, rehash what came later, open it if it
        is new (`log.opened`), sign, and start the appender.

        `actor` is this gateway's SPIFFE id, for the entries that the log makes itself.
        `next_signer` is the key that the log may be handed over to, or was. `inquire` is asked
        before anything is signed, see `Sequencer.start`; while `is_waiting()` nothing is. Raises
        LogBrokenError naming the entry that does not hold, ConfigError for a key that is not the
        log's, LogUnavailableError when the database cannot be written.
        """
        if signer.name != origin:
            raise ConfigError(
                f"the checkpoint key is named {signer.name!r}, the log {origin!r}: they must agree"
            )
        vault = PayloadVault(engine, origin, vault_key_service, random)
        if next_signer is not None and next_signer.name != origin:
            raise ConfigError(
                f"the next checkpoint key is named {next_signer.name!r}, not {origin!r}"
            )
        signers = (signer,) if next_signer is None else (signer, next_signer)
        sequencer = Sequencer(engine, signers, vault, clock, actor, inquire, is_waiting)
        await asyncio.to_thread(sequencer.start)
        appender = Appender(sequencer, clock, checkpoint_interval_seconds, max_waiting_entries)
        appender.start()
        return cls(engine, signer, sequencer, appender, vault)

    @property
    def origin(self) -> str:
        return self._signer.name

    async def append(
        self,
        drafts: Sequence[Draft],
        payloads: Sequence[Payload] = (),
        *,
        after: int | None = None,
        fence: int | None = None,
        removal: Removal | None = None,
    ) -> list[Appended]:
        return await self._appender.append(Group(drafts, payloads, after, fence, removal))

    def checkpoint(self) -> str | None:
        return self._sequencer.note

    def health(self) -> str | None:
        if self._background is not None and (broken := self._background.health()) is not None:
            return broken
        return self._sequencer.failure

    def verifiers(self) -> Sequence[Verifier]:
        """The log's keys so far, oldest first; the last one signs now."""
        return self._sequencer.turns.keys

    def can_hand_over(self, vkey: str) -> bool:
        """Whether this process holds the key that a hand-over would be to."""
        return any(key.vkey == vkey for key in self._sequencer.held)

    def hold_signing(self, reason: Callable[[], str | None]) -> None:
        """Sign nothing while `reason()` gives one; it is asked on the writing thread."""
        self._sequencer.hold_signing(reason)

    def unscrubbed(self) -> str | None:
        """Why what was removed is still in the database's files, None where it is not. The log can
        be written meanwhile; it is tried again by itself."""
        return self._sequencer.unscrubbed

    def must_scrub(self) -> bool:
        """Whether something that was removed may still be in the database's files."""
        return self._sequencer.must_scrub

    def on_removal(self, listener: Callable[[Removal], None]) -> None:
        """Have `listener` told of each removal that this process comes to know of, its own and
        others', on whichever thread; one that raises is named among the messages."""
        self._sequencer.on_removal(listener)

    async def journal(self, start: int = 0) -> list[Entry]:
        """As Log: read through the journal's rows, so its cost is the journal's, not the log's."""
        self._refuse_broken()
        return await asyncio.to_thread(self._read_journal, start)

    async def heads(self) -> JournalHeads:
        """As Log: one indexed read."""
        self._refuse_broken()
        return await asyncio.to_thread(self._read_heads)

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """The hashes that prove entry `index` under the tree of `size` entries, leaf first; size is
        at most the newest checkpoint's. Raises InputError, LogUnavailableError."""
        return await asyncio.to_thread(self._prove, lambda proofs: proofs.inclusion(index, size))

    async def consistency(self, from_size: int, to_size: int) -> list[bytes]:
        """The hashes that prove that the tree of `to_size` extends that of `from_size`; raises as
        `inclusion`."""
        return await asyncio.to_thread(
            self._prove, lambda proofs: proofs.consistency(from_size, to_size)
        )

    async def handovers(self) -> HandoversAnswer:
        """Every hand-over of the log's key with its proof, oldest first; raises
        LogUnavailableError."""
        found = await asyncio.to_thread(
            self._read, lambda connection: read_handovers(connection, self.origin)
        )
        return HandoversAnswer(tuple(found))

    async def daily_counts(self, first_day: str, last_day: str) -> list[CountRow]:
        """How often each verdict was given, by day (`YYYY-MM-DD`, inclusive), as far as the newest
        checkpoint; raises LogUnavailableError."""
        return await asyncio.to_thread(self._read_counts, first_day, last_day)

    def verify_in_background(self) -> BackgroundVerification:
        """Verify the whole stored log on a thread of its own; `health` tells when it is broken."""
        if self._background is None:
            self._background = BackgroundVerification(
                self._engine, self.origin, self._sequencer.turns.newest
            )
            self._background.start()
        return self._background

    def _refuse_broken(self) -> None:
        """A log that was found broken does not say what is in force: rows of its journal may be
        missing that only the whole log shows. Who asks keeps everything then."""
        if self._background is not None and (broken := self._background.health()) is not None:
            raise LogBrokenError(broken)

    async def aclose(self) -> None:
        """Write what waits, sign, and end the threads; the engine stays its owner's."""
        if self._background is not None:
            await asyncio.to_thread(self._background.stop)
        await asyncio.to_thread(self._appender.close)

    def _read_journal(self, start: int) -> list[Entry]:
        known = self._sequencer.heads.journal
        history = History(self.origin, self._sequencer.held)
        found = self._read(lambda connection: list(history.read_journal(connection, start)))
        if known >= start and (not found or found[-1].seq < known):
            raise self._lost_row(known)
        for entry in found:
            if entry.type in REMOVING_TYPES:
                self._sequencer.tell_removal(removal_named_by(entry.type, entry.body))
        return found

    def _read_heads(self) -> JournalHeads:
        known = self._sequencer.heads
        found = self._read(lambda connection: journal_store.read_heads(connection, self.origin))
        if found.journal < known.journal:
            raise self._lost_row(known.journal)
        if found.activation < known.activation:
            raise self._lost_row(known.activation)
        return found

    def _lost_row(self, seq: int) -> LogBrokenError:
        return LogBrokenError(
            f"entry {seq} of log {self.origin}: its journal row was there and is missing; compare "
            "with a backup"
        )

    def _prove(self, ask: Callable[[ProofReader], list[bytes]]) -> list[bytes]:
        return self._read(lambda connection: ask(ProofReader(connection, self.origin)))

    def _read_counts(self, first_day: str, last_day: str) -> list[CountRow]:
        return self._read(
            lambda connection: log_store.read_counts(connection, self.origin, first_day, last_day)
        )

    def _read(self, ask: Callable[[Connection], T]) -> T:
        try:
            with read_transaction(self._engine) as connection:
                return ask(connection)
        except StorageError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None
        except ConfigError as error:  # the key was handed over to one that is not held here
            raise LogUnavailableError(str(error)) from None
