"""What a start asks before it signs: how far was this log seen outside? Part of composition.

Whoever has seen more than is here proves that this is an old copy; to go on would be to sign a
second history (a fork). Asking takes time and no lock; the answer is held against the database
inside the transaction in which the log starts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gateway.archiving import open_store
from gateway.audit.errors import LogBrokenError
from gateway.audit.proofs import ProofReader
from gateway.audit.sequencer import Inquiry
from gateway.audit.witness_client import WitnessClient, open_witness_http
from gateway.audit.witnessed_log import WitnessedLog
from gateway.audit.witnesses import FORK_SEEN, Witnesses, WitnessStatus
from gateway.backup.errors import BackupError
from gateway.backup.manifest import CHECKPOINT_FILE
from gateway.backup.outlook import (
    Outlook,
    Sighting,
    root_reader,
    sighting_of_store,
    sightings_of_files,
    verify_same_history,
)
from gateway.clock import Clock
from gateway.configuration import GatewayConfig
from gateway.errors import GatewayError, LogUnavailableError
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine, read_transaction
from gateway.storage.succession_store import read_first_entries
from gateway.transparency.errors import SourceError, SuccessionError
from gateway.transparency.notes import Verifier
from gateway.transparency.succession import read_unverified_succession, succession_note_of
from gateway.witnessing import find_addresses, read_witness_policy

ASKING_SECONDS = 30.0
PAUSE_SECONDS = 2.0

_log = structlog.get_logger("gateway.inquiry")

Sleep = Callable[[float], Awaitable[None]]


@dataclass
class Told:
    """What was heard: `sightings`; `forks`, sentences of witnesses that have seen another tree;
    `silent`, a sentence for each source that could not be asked; `heard`, how many could."""

    sightings: list[Sighting] = field(default_factory=list)
    forks: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    heard: int = 0


async def inquiry_of(
    config: GatewayConfig,
    database: Engine,
    held: Sequence[Verifier],
    clock: Clock,
    seconds: float = ASKING_SECONDS,
) -> Inquiry:
    """Ask the archive, the witnesses and the kept files that the configuration names, for at most
    about `seconds`, and give what `SqlLog.open` asks: it raises LogBrokenError when somebody has
    seen more than is here, or another history, or when the log was closed, and LogUnavailableError
    when of the sources configured none could be asked.

    `held` are the keys that this process signs with; `database` is migrated. Raises ConfigError,
    SourceError for a kept file that is no checkpoint of this log, StorageError.
    """
    log = config.log.origin
    await asyncio.to_thread(_verify_open, log, database)
    told = await ask_outside(config, database, held, clock, seconds=seconds)
    for sentence in told.silent:
        _log.warning("not asked how far the log was seen", reason=sentence)

    def inquire(size: int, proofs: ProofReader, _note: str | None) -> None:
        # A read of its own, since the sightings may reach past what is signed here.
        with read_transaction(database) as connection:
            _refuse_closed(log, read_first_entries(connection))
            if told.forks:
                raise LogBrokenError(f"FORK: {told.forks[0]}")
            outlook = Outlook(size, told.sightings, proofs.size)
            if outlook.lost is not None:
                raise LogBrokenError(describe_lost(log, outlook))
            try:
                verify_same_history(told.sightings, size, root_reader(connection, log))
            except BackupError as error:
                raise LogBrokenError(str(error)) from None
        if told.silent and not told.heard:
            raise LogUnavailableError(
                f"log {log} is not started: nobody could be asked how far it was seen "
                f"({'; '.join(told.silent)}). Start again when one of them answers"
            )

    return inquire


async def ask_outside(
    config: GatewayConfig,
    database: Engine,
    held: Sequence[Verifier],
    clock: Clock,
    *,
    files: Sequence[Path] = (),
    seconds: float = ASKING_SECONDS,
    sleep: Sleep = asyncio.sleep,
) -> Told:
    """Ask everybody who may have seen the log: archive, witnesses, checkpoints beside backups,
    `log.kept_checkpoints` and `files`. Raises as `inquiry_of`."""
    verifiers = await asyncio.to_thread(known_keys, database, config.log.origin, held)
    told = Told()
    kept = [*config.log.kept_checkpoints, *files]
    told.sightings += await asyncio.to_thread(sightings_of_files, kept, verifiers)
    told.sightings += await asyncio.to_thread(_sightings_of_backups, config, verifiers)
    deadline_ns = clock.boottime_ns() + int(seconds * 1e9)
    patience = _Patience(clock, deadline_ns, sleep)
    await asyncio.gather(
        _ask_archive(config, database, verifiers, clock, told, patience),
        _ask_witnesses(config, database, verifiers, clock, told, patience),
    )
    return told


def known_keys(database: Engine, log: str, held: Sequence[Verifier]) -> list[Verifier]:
    """The keys held and those that the stored log names, each once; raises StorageError."""
    sealed = SqlSealedLog(database, log)
    stored = sealed.keys() if sealed.newest_size() else ()
    return list(dict.fromkeys([*held, *stored]))


def describe_lost(log: str, outlook: Outlook) -> str:
    """One sentence: who has seen how much, and what to do."""
    longest = outlook.longest
    if longest is None:
        return ""
    return (
        f"log {log} has {outlook.size} entries here and {longest.by} has seen {longest.size}: this "
        "is an older copy, and to go on would be to sign a second history. Run `gateway restore` "
        "(docs/operations.md, Backup and disaster)"
    )


@dataclass(frozen=True)
class _Patience:
    clock: Clock
    deadline_ns: int
    sleep: Sleep

    async def wait(self) -> bool:
        """A pause before another try; False when the time is over."""
        if self.clock.boottime_ns() >= self.deadline_ns:
            return False
        await self.sleep(PAUSE_SECONDS)
        return True


async def _ask_archive(
    config: GatewayConfig,
    database: Engine,
    verifiers: Sequence[Verifier],
    clock: Clock,
    told: Told,
    patience: _Patience,
) -> None:
    if config.archive is None:
        return
    log = config.log.origin
    store = open_store(config.archive, log, clock)
    size = await asyncio.to_thread(SqlSealedLog(database, log).newest_size)
    while True:
        try:
            found = await asyncio.to_thread(sighting_of_store, store, size, verifiers)
        except GatewayError as error:
            if await patience.wait():
                continue
            told.silent.append(str(error))
            return
        told.heard += 1
        told.sightings += [found] if found else []
        return


async def _ask_witnesses(
    config: GatewayConfig,
    database: Engine,
    verifiers: Sequence[Verifier],
    clock: Clock,
    told: Told,
    patience: _Patience,
) -> None:
    if config.witnesses is None:
        return
    log = WitnessedLog(database, config.log.origin)
    note = await log.newest()
    if note is None:
        return  # a witness is asked with a checkpoint, and none is signed yet
    policy = await asyncio.to_thread(read_witness_policy, config.witnesses, verifiers)
    addresses = find_addresses(config.witnesses, policy)
    async with AsyncExitStack() as stack:
        http = open_witness_http(config.witnesses.ca, "witnesses.ca")
        client = WitnessClient(await stack.enter_async_context(http))
        interval = config.witnesses.interval_seconds
        witnesses = Witnesses(log, policy, addresses, client, interval, clock)
        while True:
            await witnesses.look(note)
            statuses = witnesses.statuses
            if all(map(_has_answered, statuses.values())) or not await patience.wait():
                break
    for name, status in statuses.items():
        _take_witness(told, name, status)


def _take_witness(told: Told, name: str, status: WitnessStatus) -> None:
    if not _has_answered(status):
        told.silent.append(f"witness {name}: {status.failure}")
        return
    told.heard += 1
    if status.alarm is not None and status.alarm.startswith(FORK_SEEN):
        told.forks.append(status.alarm.partition(": ")[2])
    elif status.known_size:
        told.sightings.append(Sighting(status.known_size, f"witness {name}"))


def _has_answered(status: WitnessStatus) -> bool:
    """Also one that does not know this log or its key: it has seen nothing of it."""
    if status.alarm is not None or status.failure is None:
        return True
    return status.failure in ("answered with status 403", "answered with status 404")


def _sightings_of_backups(config: GatewayConfig, verifiers: Sequence[Verifier]) -> list[Sighting]:
    """The newest backup's checkpoint: who put an older one back is told of it."""
    if config.backup is None:
        return []
    found = sorted(config.backup.folder.glob(f"[!.]*/{CHECKPOINT_FILE}"))
    try:
        return sightings_of_files(found[-1:], verifiers)
    except SourceError as error:
        _log.warning("a backup's checkpoint is not used", reason=str(error))
        return []


def _verify_open(log: str, database: Engine) -> None:
    with read_transaction(database) as connection:
        _refuse_closed(log, read_first_entries(connection))


def _refuse_closed(log: str, first_entries: Iterable[tuple[str, bytes]]) -> None:
    """Nothing is added to a log that another one in this database succeeds."""
    for other, data in first_entries:
        note = succession_note_of(data)
        if note is None:
            continue
        try:
            statement = read_unverified_succession(note)
        except SuccessionError:
            continue
        if statement.old == log:
            raise LogBrokenError(
                f"log {log} was closed and log {other} succeeds it: name {other} in log.origin, "
                "and its key in log.checkpoint_key"
            )
