"""Databases and logs in a temporary folder, and what tests ask of them."""

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.audit.background import StoredLog
from gateway.audit.port import Draft, Payload
from gateway.audit.sql_log import SqlLog
from gateway.clock import Clock, SystemClock
from gateway.sealed.port import KeyService
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Engine, open_database, read_transaction
from gateway.storage.schema import migrate
from gateway.transparency.notes import Signer
from gateway.transparency.verdict import Verdict
from gateway.transparency.verify import verify_log
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN

SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(b"checkpoint key of the tests 0001")
SIGNER = Signer(ORIGIN, SIGNING_KEY)
NEXT = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"the next key of the tests 000002"))
THIRD = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"the third key of the tests 00003"))
NEVER_SECONDS = 1e6


def open_engine(path: Path, busy_timeout_seconds: float = 5.0) -> Engine:
    """A migrated database."""
    engine = open_database(f"sqlite:///{path}", busy_timeout_seconds=busy_timeout_seconds)
    migrate(engine)
    return engine


async def open_log(
    engine: Engine,
    keys: KeyService | None = None,
    clock: Clock | None = None,
    signer: Signer = SIGNER,
    interval_seconds: float = NEVER_SECONDS,
    max_waiting_entries: int = 16_384,
    random: Callable[[int], bytes] = os.urandom,
) -> SqlLog:
    """A log that signs when opened and closed only, unless an interval is given."""
    return await SqlLog.open(
        engine,
        signer.name,
        signer,
        keys or MemoryKeyService(),
        clock or SystemClock(),
        ACTOR,
        random=random,
        checkpoint_interval_seconds=interval_seconds,
        max_waiting_entries=max_waiting_entries,
    )


def note(text: str) -> Draft:
    """A small entry to tell apart."""
    return Draft("test.note", ACTOR, b'{"note":"' + text.encode() + b'"}')


def record(type: str, prior: int | None, text: str = "") -> Draft:
    """A small journal entry that says it follows the journal entry `prior`."""
    return Draft(type, ACTOR, canonical.encode({"note": text, "prior": prior}))


def payload(class_id: str, region: str = "eu-west-1") -> Payload:
    """A payload with a secret in it."""
    return Payload(class_id, region, "standard", b"secret of " + class_id.encode())


def stored_entries(engine: Engine) -> list[bytes]:
    """The exact bytes of all entries, in order."""
    with read_transaction(engine) as connection:
        return [row.data for row in log_store.read_entries(connection, ORIGIN, 0)]


def journal_rows(engine: Engine) -> list[tuple[int, str]]:
    """The journal's rows, without a look at the entries."""
    with read_transaction(engine) as connection:
        return [(*row,) for row in journal_store.read_rows(connection, ORIGIN, 2**53)]


def verify(engine: Engine) -> Verdict:
    """The whole stored log, with every stored checkpoint."""
    with read_transaction(engine) as connection:
        return verify_log(StoredLog(connection, ORIGIN), ORIGIN, SIGNER.verifier)
