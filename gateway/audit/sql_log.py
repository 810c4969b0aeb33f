"""The log in a database: the Log port's adapter, with checkpoints, proofs and payloads."""

import asyncio
import os
from collections.abc import Callable, Sequence

from gateway.audit.appender import MAX_WAITING_ENTRIES, Appender
from gateway.audit.background import BackgroundVerification
from gateway.audit.payloads import PayloadVault
from gateway.audit.port import Appended, Draft, Payload
from gateway.audit.proofs import ProofReader
from gateway.audit.sequencer import Group, Sequencer
from gateway.clock import Clock
from gateway.errors import ConfigError, LogUnavailableError
from gateway.sealed.port import KeyService
from gateway.storage import log_store
from gateway.storage.engine import Engine, StorageError, read_transaction
from gateway.storage.log_store import CountRow
from gateway.transparency.notes import Signer

CHECKPOINT_INTERVAL_SECONDS = 1.0


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
    ) -> "SqlLog":
        """Check the stored log against its last checkpoint, rehash what came later, open it if it
        is new (`log.opened`), sign, and start the appender.

        `actor` is this gateway's SPIFFE id, for the entries that the log makes itself. Raises
        LogBrokenError naming the entry that does not hold, ConfigError for a key that is not the
        log's, LogUnavailableError when the database cannot be written.
        """
        if signer.name != origin:
            raise ConfigError(
                f"the checkpoint key is named {signer.name!r}, the log {origin!r}: they must agree"
            )
        vault = PayloadVault(engine, origin, vault_key_service, random)
        sequencer = Sequencer(engine, signer, vault, clock, actor)
        await asyncio.to_thread(sequencer.start)
        appender = Appender(sequencer, clock, checkpoint_interval_seconds, max_waiting_entries)
        appender.start()
        return cls(engine, signer, sequencer, appender, vault)

    @property
    def origin(self) -> str:
        return self._signer.name

    async def append(
        self, drafts: Sequence[Draft], payloads: Sequence[Payload] = ()
    ) -> list[Appended]:
        return await self._appender.append(Group(drafts, payloads))

    def checkpoint(self) -> str | None:
        return self._sequencer.note

    def health(self) -> str | None:
        if self._background is not None and (broken := self._background.health()) is not None:
            return broken
        return self._sequencer.failure

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

    async def daily_counts(self, first_day: str, last_day: str) -> list[CountRow]:
        """How often each verdict was given, by day (`YYYY-MM-DD`, inclusive), as far as the newest
        checkpoint; raises LogUnavailableError."""
        return await asyncio.to_thread(self._read_counts, first_day, last_day)

    def verify_in_background(self) -> BackgroundVerification:
        """Verify the whole stored log on a thread of its own; `health` tells when it is broken."""
        if self._background is None:
            self._background = BackgroundVerification(
                self._engine, self.origin, self._signer.verifier
            )
            self._background.start()
        return self._background

    async def aclose(self) -> None:
        """Write what waits, sign, and end the threads; the engine stays its owner's."""
        if self._background is not None:
            await asyncio.to_thread(self._background.stop)
        await asyncio.to_thread(self._appender.close)

    def _prove(self, ask: Callable[[ProofReader], list[bytes]]) -> list[bytes]:
        try:
            with read_transaction(self._engine) as connection:
                return ask(ProofReader(connection, self.origin))
        except StorageError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None

    def _read_counts(self, first_day: str, last_day: str) -> list[CountRow]:
        try:
            with read_transaction(self._engine) as connection:
                return log_store.read_counts(connection, self.origin, first_day, last_day)
        except StorageError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None
