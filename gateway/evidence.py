"""What commands that look back read: the database alone, without serving. All that they write is
that payloads are opened, where they may (docs/formats.md section 9). Part of composition."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.audit.openings import OpeningRecorder, RecordedVault
from gateway.audit.payloads import PayloadVault
from gateway.audit.port import BundleStore
from gateway.changes.governance import apply
from gateway.changes.records import Record
from gateway.changes.state import ExceptionGrant, Governance
from gateway.clock import SystemClock, format_time
from gateway.configuration import GatewayConfig, database_url
from gateway.errors import ConfigError, LogUnavailableError
from gateway.recorded.port import ClassVault, RecordedEntries
from gateway.recorded.serving import ServingHistory, ServingRecord
from gateway.sealed.age import AgeKeyService
from gateway.sealed.port import SopsKeyService
from gateway.storage.bundles_store import SqlBundleStore
from gateway.storage.engine import Engine, StorageError, open_database, read_transaction
from gateway.storage.journal_store import read_journal
from gateway.storage.recorded_store import SqlRecordedEntries
from gateway.transparency.entry import parse_entry
from gateway.transparency.errors import EntryError
from gateway.transparency.notes import Signer, Verifier

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One log and what lies beside it. `newest` is the activation number in force; `keys` open
    what is sealed; `unrecorded` is a sentence that says why the log does not tell that payloads
    are opened, None where it does: people are shown it."""

    entries: RecordedEntries
    vault: ClassVault
    store: BundleStore
    history: ServingHistory
    newest: int
    keys: SopsKeyService
    unrecorded: str | None


@contextmanager
def open_evidence(config: GatewayConfig, path: Path, command: str) -> Iterator[Evidence]:
    """Open the log that the configuration at `path` names, for that command; raises ConfigError,
    StorageError and ChangeRefusedError for a journal that does not hold."""
    url = database_url(config, path)
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).is_file():
        raise ConfigError(f"{url.removeprefix(_SQLITE)}: there is no database; name one in log")
    keys = AgeKeyService.open(config.key_service.age_identity)
    database = open_database(url)
    try:
        store = SqlBundleStore(database)
        history = JournalHistory(database, config.log.origin, store)
        vault, unrecorded = _recorded_vault(
            config, database, PayloadVault(database, config.log.origin, keys, _no_random), command
        )
        yield Evidence(
            entries=SqlRecordedEntries(database, config.log.origin),
            vault=vault,
            store=store,
            history=history,
            newest=history.newest,
            keys=keys,
            unrecorded=unrecorded,
        )
    finally:
        database.dispose()


class JournalHistory:
    """The ServingHistory port: what the log's journal said at each activation number."""

    def __init__(self, engine: Engine, log: str, store: BundleStore) -> None:
        """Folds the whole journal; raises StorageError and ChangeRefusedError."""
        self._store = store
        self._states: dict[int, Governance] = {}
        state = Governance()
        with read_transaction(engine) as connection:
            rows = list(read_journal(connection, log, 0))
        for row in rows:
            state = apply(state, _record(row.seq, row.data))
            self._states[state.activation] = state  # the last before the next number
        self.newest = state.activation

    def serving_at(self, activation: int) -> ServingRecord | None:
        """As ServingHistory. The floor hash is left empty: it follows from the parts."""
        state = self._states.get(activation)
        if state is None or state.active is None:
            return None
        note = state.active.floor_note
        return ServingRecord(
            activation=activation,
            bundle=state.active.bundle,
            floor="",
            floor_note=(self._store.get(note) or b"") if note else b"",
            protections=tuple(protection.row for protection in state.protections),
            exceptions=tuple(_exception(grant) for grant in state.exceptions),
            candidate=state.rollout.bundle if state.rollout else None,
        )


def _recorded_vault(
    config: GatewayConfig, database: Engine, vault: PayloadVault, command: str
) -> tuple[ClassVault, str | None]:
    """The vault, which tells the log what it opens where this is the gateway's own place: who has
    not the log's key looks at a copy, and changes nothing in it."""
    actor = f"spiffe://{config.trust_domain}/gateway/command-line"
    purpose = f"gateway {command} by {_account()}"
    why = ""
    for path in (config.log.next_checkpoint_key, config.log.checkpoint_key):
        if path is None:
            continue
        try:
            verifier = _log_verifier(config.log.origin, path)
            recorder = OpeningRecorder(database, verifier, SystemClock(), actor, purpose)
        except LogUnavailableError as error:
            why = str(error)
        else:
            return RecordedVault(vault, recorder), None
    return vault, f"the log does not say that payloads were opened here: {why}"


def _log_verifier(origin: str, path: Path) -> Verifier:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        raise LogUnavailableError(f"its key is not here ({path.name})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LogUnavailableError(f"{path.name} is no key of a log")
    return Signer(origin, key).verifier


def _account() -> str:
    """What the machine calls who runs the command; a hint, not a proof."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "an account without a name"


def _record(seq: int, data: bytes | None) -> Record:
    if data is None:
        raise StorageError(f"journal entry {seq} is not in the log; run `gateway audit verify`")
    try:
        entry = parse_entry(data)
    except EntryError as error:
        raise StorageError(f"entry {seq} of the log: {error}") from None
    return Record(entry.seq, entry.time_us, entry.type, entry.actor, entry.body)


def _exception(grant: ExceptionGrant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "rules": list(grant.rules),
        "pattern": dict(grant.pattern),
        "environment": grant.environment,
        "region": grant.region,
        "reason": grant.reason,
        "expires": format_time(grant.expires_us),
    }


def _no_random(_count: int) -> bytes:
    raise AssertionError("nothing is sealed here")
