"""Composition of `gateway restore`: a backup in the database's place, brought up to what the
archive has, and held against everybody who has seen the log. Nothing here signs a checkpoint: the
gateway does, when its own inquiry and hearing let it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import canonical
from gateway.archive.reading import StoreReader
from gateway.archiving import open_store
from gateway.audit.history import History
from gateway.audit.port import Draft
from gateway.backup.entries import append_unsigned
from gateway.backup.errors import BackupError
from gateway.backup.manifest import Manifest
from gateway.backup.outlook import Outlook, root_reader, verify_same_history
from gateway.backup.putting import put_back
from gateway.backup.recovery import OnEntries, Recovered, recover
from gateway.changes.governance import fold
from gateway.changes.records import Record
from gateway.changes.state import Governance
from gateway.clock import Clock, format_time
from gateway.configuration import GatewayConfig, database_url
from gateway.inquiring import Told, ask_outside
from gateway.storage import log_store
from gateway.storage.bundles_store import SqlBundleStore
from gateway.storage.engine import Engine, open_database, read_transaction, scrub
from gateway.storage.schema import migrate
from gateway.transparency.archive_source import ArchiveSource
from gateway.transparency.notes import Verifier
from gateway.transparency.segments import LOG_OBJECT

RESTORED = "log.restored"
_STAMP = str.maketrans({":": "", "-": "", ".": ""})


@dataclass(frozen=True, slots=True)
class Reason:
    """Who restores, and why: the operating system's user, as for `gateway policy activate`."""

    user: str
    justification: str
    approval_id: str = ""


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands now. `entry` is the seq of `log.restored`, None when something is lost: then
    nothing was written. `missing`: what the journal names and the bundle store lacks."""

    log: str
    manifest: Manifest
    recovered: Recovered
    outlook: Outlook
    told: Told
    missing: tuple[str, ...]
    entry: int | None


async def restore(
    config: GatewayConfig,
    path: Path,
    held: Sequence[Verifier],
    backup: Path,
    reason: Reason,
    clock: Clock,
    *,
    files: Sequence[Path] = (),
    is_replacing: bool = False,
    on_entries: OnEntries = lambda done, total: None,
) -> Restored:
    """Put `backup` in the place of the configured database, recover, look around, and record it
    where nothing is lost. `files` are checkpoints that others kept.

    Raises BackupError (also for another history: a fork), ConfigError, LogBrokenError,
    ArchiveError, SourceError, StorageError. What was put back stays, so that it can be looked at.
    """
    url, log = database_url(config, path), config.log.origin
    stamp = format_time(clock.now_us())[:19].translate(_STAMP)
    set_aside = f".replaced-{stamp}Z" if is_replacing else None
    manifest = await asyncio.to_thread(put_back, backup, url, log, set_aside=set_aside)
    database = await asyncio.to_thread(open_database, url)
    try:
        await asyncio.to_thread(migrate, database)
        recovered = await asyncio.to_thread(
            recover_from_archive, config, database, held, clock, on_entries
        )
        await asyncio.to_thread(scrub, database)  # erasures were done again: out of the file, too
        told = await ask_outside(config, database, held, clock, files=files)
        return await asyncio.to_thread(
            _conclude, config, database, held, clock, manifest, recovered, told, reason
        )
    finally:
        database.dispose()


def recover_from_archive(
    config: GatewayConfig,
    database: Engine,
    held: Sequence[Verifier],
    clock: Clock,
    on_entries: OnEntries,
) -> Recovered:
    """What the configured archive has beyond; nothing where none is configured or it is empty.
    Raises as `recover`, and ArchiveError."""
    log = config.log.origin
    if config.archive is not None:
        store = open_store(config.archive, log, clock)
        if any(True for _ in store.versions(LOG_OBJECT)):
            with ArchiveSource(StoreReader(store), log) as archive:
                return recover(database, held, archive, on_entries)
    with read_transaction(database) as connection:
        History(log, held).restore(connection)  # the key, and that the copy holds
    size = count_entries(database, log)
    return Recovered(size, size - 1)


def count_entries(database: Engine, log: str) -> int:
    """How many entries are here, signed or not; raises StorageError."""
    with read_transaction(database) as connection:
        head = log_store.read_head(connection, log)
    return 0 if head is None else head[0] + 1


def look_around(database: Engine, log: str, told: Told) -> Outlook:
    """What is here beside what was told; raises BackupError for another history, and when nobody
    of those who are configured could be asked."""
    with read_transaction(database) as connection:
        head = log_store.read_head(connection, log)
        last = log_store.read_last_checkpoint(connection, log)
        size, signed = head[0] + 1 if head else 0, last.size if last else 0
        if told.forks:
            raise BackupError(f"FORK: {told.forks[0]}")
        verify_same_history(told.sightings, size, root_reader(connection, log))
    if told.silent and not told.heard:
        raise BackupError(
            f"nobody could be asked how far the log was seen ({'; '.join(told.silent)}): do it "
            "again, with --replace, when one of them answers"
        )
    return Outlook(size, told.sightings, signed)


def read_governance(database: Engine, held: Sequence[Verifier]) -> Governance:
    """What the journal says; raises LogBrokenError, ChangeRefusedError, StorageError."""
    history = History(held[0].name, held)
    with read_transaction(database) as connection:
        return fold(
            Record(entry.seq, entry.time_us, entry.type, entry.actor, entry.body)
            for entry in history.read_journal(connection)
        )


def find_missing(database: Engine, state: Governance) -> tuple[str, ...]:
    """Sentences: which bundles and floor files the journal names and the store lacks, those in
    force first."""
    store, found = SqlBundleStore(database), []
    active = state.active
    if active is not None and store.get(active.bundle) is None:
        found.append(f"bundle {active.bundle} (revision {active.revision}) is in force")
    if active is not None and active.floor_note and store.get(active.floor_note) is None:
        found.append(f"floor file {active.floor_note} is in force")
    rollout = state.rollout
    if rollout is not None and store.get(rollout.bundle) is None:
        found.append(f"bundle {rollout.bundle} (revision {rollout.revision}) is being rolled out")
    older = dict.fromkeys(one.bundle for one in state.accepted if one != active)
    found += [f"bundle {one} was in force" for one in older if store.get(one) is None]
    return tuple(found)


def _conclude(
    config: GatewayConfig,
    database: Engine,
    held: Sequence[Verifier],
    clock: Clock,
    manifest: Manifest,
    recovered: Recovered,
    told: Told,
    reason: Reason,
) -> Restored:
    log = config.log.origin
    outlook = look_around(database, log, told)
    missing = find_missing(database, read_governance(database, held))
    entry = None
    if outlook.lost is None:
        draft = _draft(config, manifest, recovered, outlook, reason)
        entry = append_unsigned(database, held, draft, clock)
    return Restored(log, manifest, recovered, outlook, told, missing, entry)


def _draft(
    config: GatewayConfig,
    manifest: Manifest,
    recovered: Recovered,
    outlook: Outlook,
    reason: Reason,
) -> Draft:
    body: canonical.Value = {
        "backup": {"time": manifest.time, "size": manifest.size},
        "recovered": {"first": recovered.first, "last": recovered.last},
        "payloads_lost": recovered.payloads_lost,
        "change": {
            "user": reason.user,
            "change_type": "log.restore",
            "previous_value": f"backup of {manifest.time}, {manifest.size} entries signed",
            "new_value": f"{outlook.size} entries",
            "justification": reason.justification,
            "approval_id": reason.approval_id,
        },
    }
    return Draft(RESTORED, command_line_uri(config), canonical.encode(body))


def command_line_uri(config: GatewayConfig) -> str:
    """Who acts where a person does on the gateway's own machine."""
    return f"spiffe://{config.trust_domain}/gateway/command-line"
