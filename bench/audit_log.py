"""A log to measure: real entries of about 600 bytes through the real appender."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.audit.port import Draft
from gateway.audit.sql_log import SqlLog
from gateway.clock import Clock
from gateway.storage import log_store
from gateway.storage.engine import open_database, read_transaction
from gateway.storage.schema import migrate
from gateway.transparency.notes import Signer

ENTRY_BYTES = 600
_ACTOR = "spiffe://example.org/collector/production/eu-west-1/edge-7"
_ENVELOPE_BYTES = 270  # of an entry around its body, with a sequence number of six digits


class _NoKeys:
    """Nothing is sealed here."""

    name = "none"

    def wrap(self, plaintext_key: bytes, context: bytes) -> bytes:
        raise AssertionError("nothing is sealed")

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        raise AssertionError("nothing is sealed")

    def health(self) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class BenchLog:
    """One log in one database."""

    url: str
    signer: Signer

    @classmethod
    def new(cls, url: str, origin: str) -> "BenchLog":
        """An empty log with a key of its own; the database is made if it is not there."""
        return cls(url, Signer(origin, Ed25519PrivateKey.generate()))

    @property
    def path(self) -> Path:
        """Of SQLite: the file."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def vkey(self) -> str:
        """What verifies it."""
        return self.signer.vkey

    @asynccontextmanager
    async def opened(self, clock: Clock) -> AsyncIterator[SqlLog]:
        """The log, written and signed as a gateway does."""
        engine = open_database(self.url)
        migrate(engine)
        origin = self.signer.name
        log = await SqlLog.open(engine, origin, self.signer, _NoKeys(), clock, _ACTOR)
        try:
            yield log
        finally:
            await log.aclose()
            engine.dispose()

    def checkpoint_file(self, folder: Path) -> Path:
        """The newest checkpoint in a file, as somebody outside would have kept it."""
        engine = open_database(self.url)
        with read_transaction(engine) as connection:
            row = log_store.read_last_checkpoint(connection, self.signer.name)
        engine.dispose()
        assert row is not None
        kept = folder / "outside.checkpoint"
        kept.write_text(row.note, encoding="utf-8")
        return kept


def bodies(random: random.Random, count: int) -> Sequence[Draft]:
    """Decisions entries of about ENTRY_BYTES over some hundred verdicts, as a fleet's are."""
    made: list[Draft] = []
    for _ in range(count):
        verdicts: list[canonical.Value] = []
        body: dict[str, canonical.Value] = {
            "activation": 3,
            "fail_safe": {},
            "verdicts": verdicts,
        }
        while len(canonical.encode(body)) < ENTRY_BYTES - _ENVELOPE_BYTES:
            verdicts.append(
                [10_000 + random.randrange(10), random.randrange(60), random.randrange(500)]
            )
        made.append(Draft("decisions", _ACTOR, canonical.encode(body)))
    return made
