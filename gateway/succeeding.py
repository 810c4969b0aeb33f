"""Composition of a succession: closing a log that lost entries, and opening the one that goes on
(docs/formats.md section 18)."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway import canonical
from gateway.archiving import open_store
from gateway.audit.history import History
from gateway.audit.port import Draft
from gateway.backup.entries import open_new_log
from gateway.backup.errors import BackupError
from gateway.backup.outlook import Sighting, sighting_of_store
from gateway.changes.governance import fold
from gateway.changes.records import Record
from gateway.changes.state import Activation, Change, Governance
from gateway.clock import Clock, format_time
from gateway.configuration import GatewayConfig, database_url
from gateway.errors import ConfigError, GatewayError
from gateway.inquiring import ask_outside, known_keys
from gateway.restoring import (
    command_line_uri,
    find_missing,
    look_around,
    read_governance,
    recover_from_archive,
)
from gateway.storage import log_store
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.dumping import SQLITE, sqlite_file, store_of
from gateway.storage.engine import Engine, open_database, read_transaction
from gateway.storage.schema import migrate
from gateway.transparency.checkpoint import open_checkpoint_by_any
from gateway.transparency.errors import NoteError
from gateway.transparency.notes import Signer, Verifier, open_note, sign_note
from gateway.transparency.succession import (
    Succession,
    encode_succession,
    next_origin,
    read_unverified_succession,
    verify_succession,
)

Body = Mapping[str, canonical.Value]


@dataclass(frozen=True, slots=True)
class Carried:
    """What the new log begins with: `entry` types and bodies without `prior`, from their seqs."""

    type: str
    body: Callable[[int], Body]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The new log is open. `missing`: what its first activation names and the store lacks."""

    statement: Succession
    carried: int
    missing: tuple[str, ...]


async def close_log(
    config: GatewayConfig,
    path: Path,
    signers: Sequence[Signer],
    vkey: str,
    lost: tuple[int, int],
    reason: str,
    clock: Clock,
    files: Sequence[Path] = (),
) -> str:
    """The statement that the configured log ends, signed by its own key and by nobody else yet.

    `vkey` is the new log's key, `lost` the entries that the caller knows to be lost, which must be
    just those that are. Nothing is written to the log. Raises BackupError, ConfigError, and as
    `ask_outside`.
    """
    database = await asyncio.to_thread(_open, config, path)
    held = [signer.verifier for signer in signers]
    log = config.log.origin
    try:
        await _recover(config, database, held, clock)
        told = await ask_outside(config, database, held, clock, files=files)
        outlook = await asyncio.to_thread(look_around, database, log, told)
        if outlook.lost is None:
            raise BackupError(
                f"nothing of log {log} is known to be lost ({outlook.size} entries are here): "
                "start the gateway, or give --checkpoint FILE with what a collector kept"
            )
        if outlook.lost != lost:
            raise BackupError(
                "entries {}..{} are lost, not {}..{}: say --lost as it is".format(
                    *outlook.lost, *lost
                )
            )
        witnessed = _require_note(outlook.longest, log)
        newest = await asyncio.to_thread(_newest_note, database, log)
        keys = await asyncio.to_thread(known_keys, database, log, held)
    finally:
        database.dispose()
    statement = Succession(
        old=log,
        new=next_origin(log),
        size=outlook.signed,
        checkpoint=newest,
        witnessed=witnessed,
        lost_first=lost[0],
        lost_last=lost[1],
        vkey=vkey,
        reason=reason,
        time=format_time(clock.now_us()),
    )
    signer = next(one for one in reversed(signers) if one.verifier in keys)
    note = sign_note(encode_succession(statement), [signer])
    verify_succession(note, keys, (), min_people=0)
    return note


async def succeed(
    config: GatewayConfig, path: Path, signer: Signer, note: str, clock: Clock
) -> Succeeded:
    """Open the log that `config` names as the statement's successor, in the old log's database,
    with the bundle and the protections that were in force; exceptions are not carried over.

    Raises SuccessionError unless every rule holds, BackupError, ConfigError, LogBrokenError,
    StorageError.
    """
    claimed = read_unverified_succession(note)
    if (config.log.origin, signer.vkey) != (claimed.new, claimed.vkey):
        raise ConfigError(
            f"the statement opens log {claimed.new} under {claimed.vkey}: name them in log.origin "
            "and log.checkpoint_key"
        )
    people = read_people(config)
    database = await asyncio.to_thread(_open, config, path)
    try:
        return await asyncio.to_thread(
            _succeed, config, database, signer, note, claimed.old, people, clock
        )
    finally:
        database.dispose()


def read_people(config: GatewayConfig) -> list[Verifier]:
    """The keys in `log.succession_keys`; raises ConfigError."""
    found = []
    for file in config.log.succession_keys:
        try:
            found.append(Verifier.from_vkey(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigError(f"at log.succession_keys: {file}: {error.strerror}") from None
        except (UnicodeDecodeError, NoteError):
            raise ConfigError(
                f"at log.succession_keys: {file}: no key of a person: name the .vkey file that "
                "`gateway keys succession-key` makes"
            ) from None
    return found


def carry_over(state: Governance, statement: Succession, user: str) -> list[Carried]:
    """What protects, as the first journal entries of the new log: the activation in force, and
    each protection, confirmed where it was."""
    carried = []
    if state.active is not None:
        carried.append(_activation(state.active, statement, user))
    for protection in state.protections:
        change = state.changes[protection.id]
        seq = 1 + len(carried)  # entry 0 opens the log
        carried.append(_protection(change, dict(protection.row), statement))
        if protection.is_confirmed and change.approval is not None:
            carried.append(_confirmation(f"c{seq}", change))
    _verify_foldable(carried, state)
    return carried


def _succeed(
    config: GatewayConfig,
    database: Engine,
    signer: Signer,
    note: str,
    old: str,
    people: Sequence[Verifier],
    clock: Clock,
) -> Succeeded:
    keys = SqlSealedLog(database, old).keys()
    kept = _seen_in_archive(config, database, old, keys, clock)
    statement = verify_succession(note, keys, people, kept=kept.checkpoint if kept else None)
    _verify_as_closed(database, keys, statement)
    state = read_governance(database, keys)
    by = open_note(note, people).signers[0].name
    carried = carry_over(state, statement, f"spiffe://{by}")
    opening = canonical.encode({"checkpoint_key": signer.vkey, "succeeds": note})
    actor = command_line_uri(config)
    open_new_log(database, signer, opening, [_placed(one, actor) for one in carried], actor, clock)
    missing = find_missing(database, state)
    return Succeeded(statement, len(carried), missing)


def _verify_as_closed(database: Engine, keys: Sequence[Verifier], statement: Succession) -> None:
    """The old log signed nothing more since; raises BackupError, LogBrokenError."""
    with read_transaction(database) as connection:
        tree, newest = History(statement.old, keys).restore(connection)
    if tree.size != statement.size:
        raise BackupError(
            f"log {statement.old} has {tree.size} signed entries in this database, the statement "
            f"says {statement.size}: close it again"
        )
    if newest is None:
        return
    if open_checkpoint_by_any(statement.checkpoint, keys).root != tree.root():
        raise BackupError(f"the statement's checkpoint is of another history of {statement.old}")


def _placed(one: Carried, actor: str) -> Callable[[int, int], Draft]:
    def draft(seq: int, prior: int) -> Draft:
        body = {**one.body(seq), "prior": prior if prior >= 0 else None}
        return Draft(one.type, actor, canonical.encode(body))

    return draft


def _activation(active: Activation, statement: Succession, user: str) -> Carried:
    def body(seq: int) -> Body:
        return {
            "activation": seq,
            "bundle": active.bundle,
            "change": _change(
                user,
                "log.succeed",
                f"log {statement.old}, activation {active.number}",
                f"{active.revision} floor {active.floor_note}",
                statement.reason,
                _approval_id(statement),
            ),
            "floor_note": active.floor_note,
            "id": None,
            "revision": active.revision,
            "version": active.version,
        }

    return Carried("bundle.activated", body)


def _protection(change: Change, row: Mapping[str, str], statement: Succession) -> Carried:
    kind = "regex" if "regex" in row else "glob"
    body: Body = {
        "row": dict(row),
        "key": change.key,
        "change": _change(
            change.author,
            "protection.add",
            f"{change.id} of log {statement.old}",
            f"{kind}: {row[kind]}",
            change.justification,
            "",
        ),
    }
    return Carried("protection.added", lambda _seq: body)


def _confirmation(change_id: str, change: Change) -> Carried:
    approval = change.approval
    assert approval is not None
    body: Body = {
        "id": change_id,
        "bundle": "",
        "losses_hash": "",
        "key": approval.key,
        "change": _change(
            approval.approver,
            "protection.approve",
            "standing",
            "active",
            approval.justification,
            approval.approval_id,
        ),
    }
    return Carried("change.approved", lambda _seq: body)


def _change(
    user: str, kind: str, before: str, after: str, justification: str, approval_id: str
) -> dict[str, canonical.Value]:
    return {
        "user": user,
        "change_type": kind,
        "previous_value": before,
        "new_value": after,
        "justification": justification,
        "approval_id": approval_id,
    }


def _approval_id(statement: Succession) -> str:
    """The statement's own hash: two people signed it."""
    return hashlib.sha256(encode_succession(statement).encode()).hexdigest()


def _verify_foldable(carried: Sequence[Carried], old: Governance) -> None:
    """What will be read back is what protected; raises ChangeRefusedError, BackupError."""
    records, prior = [], None
    for seq, one in enumerate(carried, start=1):
        records.append(Record(seq, 0, one.type, "", {**one.body(seq), "prior": prior}))
        prior = seq
    new = fold(records)
    rows = [(dict(one.row), one.is_confirmed) for one in old.protections]
    if [(dict(one.row), one.is_confirmed) for one in new.protections] != rows:
        raise BackupError("the protections of the old log cannot be carried over as they are")


async def _recover(
    config: GatewayConfig, database: Engine, held: Sequence[Verifier], clock: Clock
) -> None:
    """Nothing is lost that the archive can still give; what cannot be read there is lost."""
    try:
        await asyncio.to_thread(
            recover_from_archive, config, database, held, clock, lambda done, total: None
        )
    except ConfigError:
        raise
    except GatewayError as error:
        structlog.get_logger().warning("not recovered from the archive", reason=str(error))


def _seen_in_archive(
    config: GatewayConfig, database: Engine, old: str, keys: Sequence[Verifier], clock: Clock
) -> Sighting | None:
    if config.archive is None:
        return None
    size = SqlSealedLog(database, old).newest_size()
    return sighting_of_store(open_store(config.archive, old, clock), size, keys)


def _require_note(longest: Sighting | None, log: str) -> str:
    if longest is None or longest.checkpoint is None:
        by = longest.by if longest else "nobody"
        size = longest.size if longest else 0
        raise BackupError(
            f"{by} has seen {size} entries of log {log} and gives no signed checkpoint of them: "
            "take it from its memory, and give it with --checkpoint FILE"
        )
    return longest.checkpoint.note


def _newest_note(database: Engine, log: str) -> str:
    with read_transaction(database) as connection:
        row = log_store.read_last_checkpoint(connection, log)
    return "" if row is None else row.note


def _open(config: GatewayConfig, path: Path) -> Engine:
    url = database_url(config, path)
    if store_of(url) == SQLITE and not sqlite_file(url).is_file():
        raise ConfigError(f"{sqlite_file(url)}: there is no database; put a backup back first")
    database = open_database(url)
    migrate(database)
    return database
