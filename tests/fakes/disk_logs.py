"""Logs on a failing disk: what is done to them there, and what must hold of what is left."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import event

from gateway.audit.background import StoredLog
from gateway.audit.port import Appended, Draft, Payload
from gateway.audit.sql_log import SqlLog
from gateway.errors import LogUnavailableError
from gateway.storage import log_store
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.merkle import CompactRange
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.disk_child import Told, World
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, payload, record

DATABASE = "log.db"
_SMALL_WAL_PAGES = 12  # so that SQLite moves pages into the database in the middle of a scenario


class Writer:
    """Appends to a log and tells what left it: answers, refusals, checkpoints."""

    def __init__(self, world: World, log: SqlLog) -> None:
        self._world = world
        self._log = log
        self._note: str | None = None

    async def append(
        self,
        drafts: Sequence[Draft],
        payloads: Sequence[Payload] = (),
        after: int | None = None,
    ) -> list[Appended]:
        """Tell the answer's places, or that there was none."""
        try:
            places = await self._log.append(drafts, payloads, after=after)
        except LogUnavailableError as error:
            self._world.tell("unanswered", why=str(error))
            return []
        found = [[place.seq, place.leaf_hash.hex()] for place in places]
        ids = [payload.class_id for payload in payloads]
        self._world.tell("answer", places=found, payloads=ids)
        self.look()
        return places

    async def watch(self) -> None:
        """Look all the time, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(0.0005)

    def look(self) -> None:
        """Take the newest checkpoint, as a collector does."""
        newest = self._log.checkpoint()
        if newest != self._note and newest is not None:
            self._note = newest
            self._world.tell("note", note=newest)


async def append_to_new(world: World) -> None:
    """A new database: migration, the first entry, groups with payloads and journal entries, a
    checkpoint after each, a clean end."""
    await _append(world, open_engine(world.folder / DATABASE))


async def append_with_small_wal(world: World) -> None:
    """As `append_to_new`, and SQLite checkpoints its write-ahead log again and again meanwhile."""
    engine = open_engine(world.folder / DATABASE)

    def on_connect(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA wal_autocheckpoint={_SMALL_WAL_PAGES}")  # type: ignore[attr-defined]

    engine.dispose()
    event.listen(engine, "connect", on_connect)
    await _append(world, engine)


async def _append(world: World, engine: Engine) -> None:
    log = await open_log(engine, interval_seconds=0.0)
    writer = Writer(world, log)
    watching = asyncio.create_task(writer.watch())
    await writer.append([note("one")])
    await writer.append([note("two"), note("three")], [payload("1" * 48)])
    newest = await log.heads()
    await writer.append([record("bundle.activated", _prior(newest.journal))], after=newest.journal)
    await writer.append([note("x" * 9_000)], [payload("2" * 48), payload("3" * 48)])
    await writer.append([note(f"n-{at}") for at in range(260)])  # a full tile
    newest = await log.heads()
    await writer.append([record("change.staged", _prior(newest.journal))], after=newest.journal)
    await log.aclose()
    watching.cancel()
    writer.look()
    engine.dispose()


def _prior(journal: int) -> int | None:
    return None if journal < 0 else journal


def make_log(folder: Path) -> None:
    """Before the faults: a log with entries, that was closed."""

    async def main() -> None:
        engine = open_engine(folder / DATABASE)
        log = await open_log(engine)
        await log.append([note(f"before-{at}") for at in range(300)], [payload("9" * 48)])
        await log.aclose()
        engine.dispose()

    asyncio.run(main())


def assert_log_recovers(folder: Path, told: Told) -> None:
    """Start as always, write on, and hold the whole log against what left the process."""
    asyncio.run(_recover(folder, told))


async def _recover(folder: Path, told: Told) -> None:
    if told.of("answer"):
        header = (folder / DATABASE).read_bytes()[:20]
        assert header[18:] == b"\x02\x02", "nothing may be answered without a write-ahead log"
    engine = open_engine(folder / DATABASE)
    try:
        log = await open_log(engine)
        answered = {
            int(seq): bytes.fromhex(leaf)
            for telling in told.of("answer")
            for seq, leaf in telling["places"]  # type: ignore[attr-defined]
        }
        ids = [str(i) for telling in told.of("answer") for i in telling["payloads"]]  # type: ignore[attr-defined]
        (after,) = await log.append([note("after")])
        assert after.seq not in answered, f"place {after.seq} was answered, lost and given again"
        for class_id in ids:
            assert log.vault.open_payload(class_id) == payload(class_id).plaintext
        await log.journal()
        await log.aclose()
        answered[after.seq] = after.leaf_hash
        notes = [str(telling["note"]) for telling in told.of("note")]
        assert_whole(engine, answered, [*notes, log.checkpoint() or ""])
    finally:
        engine.dispose()


def assert_whole(engine: Engine, answered: dict[int, bytes], notes: Sequence[str]) -> None:
    """Every answered entry stands, every checkpoint is of these entries, the log verifies."""
    anchors = [open_checkpoint(text, SIGNER.verifier) for text in notes]
    with read_transaction(engine) as connection:
        stored = [row.data for row in log_store.read_entries(connection, ORIGIN, 0)]
        signed = [
            open_checkpoint(text, SIGNER.verifier)
            for _, _, text in log_store.read_checkpoints(connection, ORIGIN)
        ]
        verdict = verify_log(StoredLog(connection, ORIGIN), ORIGIN, SIGNER.verifier, anchors)
    assert [parse_entry(data).seq for data in stored] == list(range(len(stored)))
    for seq, leaf in answered.items():
        assert seq < len(stored), f"answered entry {seq} is lost"
        assert leaf_hash(stored[seq]) == leaf, f"entry {seq} is not the one that was answered"
    _assert_derived(stored, [*signed, *anchors])
    assert verdict.word is Word.OK, verdict.sentence


def _assert_derived(stored: Sequence[bytes], signed: Sequence[Checkpoint]) -> None:
    roots: dict[int, bytes] = {}
    tree = CompactRange()
    for size, data in enumerate(stored, start=1):
        tree.append(leaf_hash(data))
        roots[size] = tree.root()
    for checkpoint in signed:
        assert roots.get(checkpoint.size) == checkpoint.root, f"signed: {checkpoint}"
