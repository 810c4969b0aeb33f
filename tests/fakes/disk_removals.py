"""Erasing and purging on a failing disk: a deed and its entry stand or fall together, and what a
standing entry says is gone is in no file after the next start."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from gateway import canonical
from gateway.audit.port import Appended, Draft, Removal
from gateway.audit.removals import ENTRIES_PURGED, ERASED, PURGED
from gateway.audit.sql_log import SqlLog
from gateway.clock import ManualClock
from gateway.errors import LogUnavailableError
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import parse_entry
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.disk_child import Told, World
from tests.fakes.disk_logs import DATABASE
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, payload

_ERASED, _PURGED = "a" * 48, "b" * 48
_MONTH_KEY = f"{ORIGIN}/eu-west-1/standard/2026-01"
_LAST = 255
_KEPT = 3  # log.opened, key.created, payloads.sealed
_LATER_SECONDS = 40 * 86_400
_PEOPLE = ("spiffe://example.org/operator/ann", "spiffe://example.org/approver/bob")
_REMOVALS = {
    ERASED: Removal(class_ids=(_ERASED,)),
    PURGED: Removal(month_keys=(_MONTH_KEY,)),
    ENTRIES_PURGED: Removal(first=0, last=_LAST),
}
_BODIES: Mapping[str, dict[str, canonical.Value]] = {
    ERASED: {"classes": [_ERASED], "request": "r-1"},
    PURGED: {"month_keys": [_MONTH_KEY]},
    ENTRIES_PURGED: {"first": 0, "last": _LAST, "kept": _KEPT},
}
_SUBJECTS: Mapping[str, dict[str, canonical.Value]] = {
    ERASED: {"classes": [_ERASED], "request": "r-1"},
    PURGED: {"what": "payloads", "month_keys": [_MONTH_KEY]},
    ENTRIES_PURGED: {"what": "entries", "first": 0, "last": _LAST},
}
_SECRETS = {
    ERASED: f"SELECT sealed, wrapped FROM payloads JOIN payload_keys USING (class_id) "
    f"WHERE class_id = '{_ERASED}'",
    PURGED: "SELECT wrapped FROM month_keys",
    ENTRIES_PURGED: "SELECT substr(bytes, -120) FROM entries WHERE seq IN (7, 133)",
}


def make_log_with_payloads(folder: Path) -> None:
    """Before the faults: entries and payloads of a month that is over."""

    async def main() -> None:
        engine = open_engine(folder / DATABASE)
        log = await open_log(engine, clock=ManualClock())
        for class_id in (_ERASED, _PURGED):
            notes = [note(f"{class_id[:8]}-{at}") for at in range(140)]
            await log.append(notes, [payload(class_id)])
        await log.aclose()
        engine.dispose()

    asyncio.run(main())


async def remove_what_is_due(world: World) -> None:
    """Each kind of deed, asked for and approved; then go on."""
    engine = open_engine(world.folder / DATABASE)
    with read_transaction(engine) as connection:
        for kind, query in _SECRETS.items():
            rows = connection.exec_driver_sql(query).all()
            world.tell("secrets", kind=kind, secrets=[bytes(x).hex() for row in rows for x in row])
    log = await open_log(engine, clock=_later(), interval_seconds=0.0)
    for kind in _REMOVALS:
        try:
            place = await _do(log, kind, engine)
        except LogUnavailableError as error:
            world.tell("refused deed", why=str(error))
        else:
            world.tell("done", kind=kind, seq=place.seq)
    await log.aclose()
    engine.dispose()


def assert_removals_recover(folder: Path, told: Told) -> None:
    """Start as always; then hold rows, entries and files against each other."""
    asyncio.run(_recover(folder, told))


async def _recover(folder: Path, told: Told) -> None:
    engine = open_engine(folder / DATABASE)
    try:
        log = await open_log(engine, clock=_later())
        await log.append([note("after")])
        await log.aclose()  # scrubs
        assert log.unscrubbed() is None
        standing = _standing(engine)
        for telling in told.of("done"):
            assert standing.get(str(telling["kind"])) == telling["seq"], telling
        for kind in _REMOVALS:
            if kind == ERASED and PURGED in standing:
                continue  # the month took its payloads along
            assert _is_gone(engine, kind) == (kind in standing), f"{kind}: rows against {standing}"
        _assert_verifies(folder / DATABASE, log.checkpoint() or "")
        for telling in told.of("secrets"):
            secrets = [bytes.fromhex(str(secret)) for secret in _texts(telling["secrets"])]
            if telling["kind"] in standing:
                _assert_nowhere(folder, secrets, str(telling["kind"]))
    finally:
        engine.dispose()


async def _do(log: SqlLog, kind: str, engine: Engine) -> Appended:
    ann, bob = _PEOPLE
    staged = await _journal(
        log,
        "change.staged",
        {
            "kind": "erasure" if kind == ERASED else "purge",
            "key": "1" * 64,
            "change": {"user": ann},
            "subject": _SUBJECTS[kind],
        },
    )
    change_id = f"c{staged.seq}"
    approval: dict[str, canonical.Value] = {
        "id": change_id,
        "key": "2" * 64,
        "change": {"user": bob},
    }
    await _journal(log, "change.approved", approval)
    body: dict[str, canonical.Value] = {"id": change_id, "change": {"user": ann}}
    body |= _BODIES[kind]
    if kind == PURGED:
        with read_transaction(engine) as connection:
            body["payloads"] = connection.exec_driver_sql("SELECT count(*) FROM payloads").scalar()
    return await _journal(log, kind, body, _REMOVALS[kind])


async def _journal(
    log: SqlLog, kind: str, body: dict[str, canonical.Value], removal: Removal | None = None
) -> Appended:
    newest = (await log.heads()).journal
    content = canonical.encode({**body, "prior": None if newest < 0 else newest})
    draft = Draft(kind, ACTOR, content)
    if removal is None:
        (place,) = await log.append([draft], after=newest)
    else:
        (place,) = await log.append([draft], after=newest, removal=removal)
    return place


def _standing(engine: Engine) -> dict[str, int]:
    """The deeds that the log says were done, with their places."""
    with read_transaction(engine) as connection:
        rows = connection.exec_driver_sql("SELECT bytes FROM entries ORDER BY seq").scalars()
        entries = [parse_entry(data) for data in rows]
    return {entry.type: entry.seq for entry in entries if entry.type in _REMOVALS}


def _is_gone(engine: Engine, kind: str) -> bool:
    count = {
        ERASED: f"SELECT (SELECT count(*) FROM payloads WHERE class_id = '{_ERASED}') + "
        f"(SELECT count(*) FROM payload_keys WHERE class_id = '{_ERASED}')",
        PURGED: f"SELECT count(*) FROM month_keys WHERE id = '{_MONTH_KEY}'",
        ENTRIES_PURGED: f"SELECT count(*) FROM entries WHERE seq <= {_LAST} "
        "AND instr(bytes, CAST('test.note' AS BLOB))",
    }
    whole = {ERASED: 2, PURGED: 1, ENTRIES_PURGED: _LAST + 1 - _KEPT}
    with read_transaction(engine) as connection:
        found = int(connection.exec_driver_sql(count[kind]).scalar() or 0)
    assert found in (0, whole[kind]), f"{kind}: {found} rows are left"
    return found == 0


def _assert_verifies(database: Path, newest: str) -> None:
    anchor = open_checkpoint(newest, SIGNER.verifier)
    with SqliteSource(database, ORIGIN) as source:
        verdict = verify_log(source, ORIGIN, SIGNER.verifier, [anchor])
    assert verdict.word in (Word.OK, Word.PURGED, Word.ERASED), verdict.sentence


def _assert_nowhere(folder: Path, secrets: list[bytes], kind: str) -> None:
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), f"{kind}: {path.name} holds it"


def _texts(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _later() -> ManualClock:
    clock = ManualClock()
    clock.advance(_LATER_SECONDS)
    return clock
