"""What was erased or purged is nowhere: the raw bytes of every file are searched for it, in the
database, its write-ahead log and index, an export, an archive and a backup made after."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.archive.archiver import Archiver
from gateway.archive.folder import FolderStore
from gateway.archive.writing import ArchiveTerms
from gateway.audit.export import export_tree
from gateway.audit.port import Payload, Removal
from gateway.audit.sequencer import Sequencer
from gateway.audit.sql_log import SqlLog
from gateway.clock import ManualClock
from gateway.sealed.envelope import unseal
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.sqlite_source import SqliteSource
from tests.fakes.failing_sql import copy_as_killed
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ORIGIN
from tests.fakes.removals import remove
from tests.fakes.sql_logs import note, open_engine, open_log

REGION = "eu-west-1"
MONTH_KEY = f"{ORIGIN}/{REGION}/decisions/2026-01"
_PIECE = 24
_PAGE = 4096


@dataclass
class Subject:
    """One class's secrets, and what the database stores of them."""

    class_id: str
    plaintext: bytes
    salt: bytes
    key: bytes = b""
    sealed: bytes = b""
    wrapped: bytes = b""

    def pieces(self) -> dict[str, list[bytes]]:
        """Of each secret pieces so short that a rest of 48 bytes in a page holds one."""
        whole = {name: value for name, value in vars(self).items() if isinstance(value, bytes)}
        return {
            name: [value[at : at + _PIECE] for at in range(0, len(value) - _PIECE + 1, _PIECE)]
            for name, value in whole.items()
        }


@dataclass
class World:
    """A log with subjects, of which some have payloads larger than a page of the database."""

    folder: Path
    subjects: list[Subject] = field(default_factory=list)
    keys: MemoryKeyService = field(default_factory=MemoryKeyService)
    clock: ManualClock = field(default_factory=ManualClock)
    drawn: list[bytes] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "log.db"

    def draw(self, count: int) -> bytes:
        self.drawn.append(os.urandom(count))
        return self.drawn[-1]

    async def open(self, engine: Engine) -> SqlLog:
        return await open_log(engine, self.keys, self.clock, random=self.draw)

    async def live(self, log: SqlLog) -> None:
        for number in range(12):
            salt = os.urandom(32)
            name = os.urandom((20, 400, _PAGE)[number % 3]).hex()
            plaintext = b'{"class":{"attributes":{"process.owner":"%b"}},"salt":"%b"}' % (
                name.encode(),
                salt.hex().encode(),
            )
            subject = Subject(f"{number:048x}", plaintext, salt.hex().encode())
            self.subjects.append(subject)
            payload = Payload(subject.class_id, REGION, "decisions", plaintext)
            await log.append([note(f"n-{number}")] * 10, [payload])

    def learn(self, engine: Engine) -> None:
        """What is stored of each subject, and the key that opens it."""
        with read_transaction(engine) as connection:
            rows = connection.exec_driver_sql(
                "SELECT class_id, sealed, wrapped FROM payloads JOIN payload_keys USING (class_id)"
            ).all()
        stored = {row[0]: (row[1], row[2]) for row in rows}
        for subject in self.subjects:
            subject.sealed, subject.wrapped = stored[subject.class_id]
            context = b"compliance-gateway/payload/v1\n" + subject.class_id.encode()
            subject.key = next(key for key in self.drawn if _opens(key, subject, context))


def _opens(key: bytes, subject: Subject, context: bytes) -> bool:
    try:
        return len(key) == 32 and unseal(key, subject.sealed, context) == subject.plaintext
    except Exception:  # noqa: BLE001 - any other key
        return False


def find(folder: Path, subjects: Sequence[Subject]) -> set[tuple[str, str]]:
    """(file, secret) for every piece of a secret that any file holds."""
    found = set()
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        for subject in subjects:
            for secret, pieces in subject.pieces().items():
                if any(piece in content for piece in pieces):
                    found.add((path.relative_to(folder).as_posix(), secret))
    return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "database"
    folder.mkdir()
    return World(folder)


@pytest.fixture
def engine(world: World) -> Iterator[Engine]:
    made = open_engine(world.database)
    yield made
    made.dispose()


def copy_out(world: World, engine: Engine, folder: Path) -> Path:
    """An export, an archive and a backup, made now."""
    folder.mkdir()
    with SqliteSource(world.database, ORIGIN) as source:
        export_tree(source, folder / "export")
    Archiver(
        SqlSealedLog(engine, ORIGIN), FolderStore(folder / "archive"), ArchiveTerms(REGION, 7)
    ).run_once()
    with (
        closing(sqlite3.connect(world.database)) as source_file,
        closing(sqlite3.connect(folder / "backup.db")) as target,
    ):
        source_file.backup(target)
    return folder


STORED = {"sealed", "wrapped"}


def test_what_is_erased_is_in_no_file_and_the_rest_still_opens(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    async def main() -> None:
        log = await world.open(engine)
        await world.live(log)
        await log.aclose()
        log = await world.open(engine)
        world.learn(engine)
        gone, kept = world.subjects[::2], world.subjects[1::2]
        with read_transaction(engine) as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")  # into both files
        # In clear there is nothing at any time.
        files = ("log.db", "log.db-wal")
        assert find(world.folder, gone) == {(name, secret) for name in files for secret in STORED}
        old = copy_out(world, engine, tmp_path / "before")
        assert find(old, gone) == {("backup.db", secret) for secret in STORED}
        await remove(log, Removal(class_ids=tuple(subject.class_id for subject in gone)))
        await until(lambda: not log.must_scrub())
        assert find(world.folder, gone) == set()
        assert find(copy_out(world, engine, tmp_path / "after"), gone) == set()
        assert {secret for _, secret in find(world.folder, kept)} == STORED
        for subject in kept:
            assert log.vault.open_payload(subject.class_id) == subject.plaintext
        await log.aclose()

    asyncio.run(main())


def test_a_purged_month_takes_key_and_payloads_out_of_every_file(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    async def main() -> None:
        log = await world.open(engine)
        await world.live(log)
        world.learn(engine)
        with read_transaction(engine) as connection:
            wrapped = connection.exec_driver_sql("SELECT wrapped FROM month_keys").scalar()
        month = Subject("", b"", b"", wrapped=wrapped or b"")
        assert find(world.folder, [month])
        world.clock.advance(31 * 86_400)
        await remove(log, Removal(month_keys=(MONTH_KEY,)))
        await until(lambda: not log.must_scrub())
        everything = [month, *world.subjects]
        assert find(world.folder, everything) == set()
        assert find(copy_out(world, engine, tmp_path / "after"), everything) == set()
        await log.aclose()

    asyncio.run(main())


def test_a_reader_in_the_way_is_told_and_it_is_tried_again(world: World, engine: Engine) -> None:
    async def main() -> None:
        log = await world.open(engine)
        await world.live(log)
        world.learn(engine)
        gone = world.subjects[:5]
        with closing(sqlite3.connect(world.database, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM entries").fetchone()
            await remove(log, Removal(class_ids=tuple(subject.class_id for subject in gone)))
            await until(lambda: log.unscrubbed() is not None)
            assert "reader" in (log.unscrubbed() or "")
            assert log.health() is None, "the log can be written meanwhile"
            await log.append([note("meanwhile")])
            assert find(world.folder, gone)
            reader.execute("ROLLBACK")
        world.clock.advance(1.5)  # the pause before the second try
        await log.append([note("wake")])
        await until(lambda: log.unscrubbed() is None)
        assert find(world.folder, gone) == set()
        await log.aclose()

    asyncio.run(main())


def test_a_kill_before_the_files_were_scrubbed_is_made_good_at_the_next_start(
    world: World, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        log = await world.open(engine)
        await world.live(log)
        world.learn(engine)
        gone = world.subjects[::2]
        with monkeypatch.context() as patched:
            patched.setattr(Sequencer, "scrub", lambda self: None)
            await remove(log, Removal(class_ids=tuple(subject.class_id for subject in gone)))
            (tmp_path / "killed").mkdir()
            killed = copy_as_killed(world.database, tmp_path / "killed" / "log.db")
            await log.aclose()
        assert find(killed.parent, gone), "nothing was scrubbed yet"
        copy = open_engine(killed)
        again = await world.open(copy)
        await until(lambda: not again.must_scrub())
        assert find(killed.parent, gone) == set()  # not only when the last connection closes
        await again.aclose()
        copy.dispose()

    asyncio.run(main())


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does; fails after ten seconds."""
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")
