"""A backup in the database's place: whole again, or told what is lost."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.archive.errors import ArchiveError
from gateway.archive.folder import FolderStore
from gateway.archive.port import Version
from gateway.audit.errors import LogBrokenError
from gateway.audit.sql_log import SqlLog
from gateway.backup.errors import BackupError
from gateway.cli import app
from gateway.clock import SystemClock
from gateway.configuration import GatewayConfig
from gateway.errors import GatewayError
from gateway.inquiring import inquiry_of
from gateway.restoring import Reason, Restored, restore
from gateway.storage.archive_store import SqlSealedLog
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import parse_entry
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.backups import Disaster, make_disaster, settle_in
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import (
    SIGNER,
    note,
    open_engine,
    open_log,
    payload,
    stored_entries,
)

WHY = Reason("root", "the disk burnt", "INC-7")


@pytest.fixture(scope="module")
def disaster(tmp_path_factory: pytest.TempPathFactory) -> Disaster:
    return make_disaster(tmp_path_factory.mktemp("disaster"))


@pytest.fixture
def anchor(disaster: Disaster, tmp_path: Path) -> Path:
    path = tmp_path / "collectors-checkpoint"
    path.write_text(disaster.newest(), encoding="utf-8")
    return path


def put_back(
    place: tuple[GatewayConfig, Path], disaster: Disaster, *files: Path, is_replacing: bool = False
) -> Restored:
    config, path = place
    return asyncio.run(
        restore(
            config,
            path,
            [SIGNER.verifier],
            disaster.backup,
            WHY,
            SystemClock(),
            files=files,
            is_replacing=is_replacing,
        )
    )


def entries_of(folder: Path) -> list[bytes]:
    engine = open_engine(folder / "log.db")
    try:
        return stored_entries(engine)
    finally:
        engine.dispose()


def start(place: tuple[GatewayConfig, Path]) -> None:
    """As a gateway does: asked first, then signed."""

    async def run() -> None:
        engine = open_engine(place[1].parent / "log.db")
        try:
            held = [SIGNER.verifier]
            log = await SqlLog.open(
                engine, ORIGIN, SIGNER, MemoryKeyService(), SystemClock(), ACTOR,
                inquire=await inquiry_of(place[0], engine, held, SystemClock(), seconds=0),
            )  # fmt: skip
            await log.append([note("after the disaster")])
            await log.aclose()
        finally:
            engine.dispose()

    asyncio.run(run())


def test_with_an_archive_all_is_here_again_and_the_log_says_so(
    disaster: Disaster, anchor: Path, tmp_path: Path
) -> None:
    place = settle_in(tmp_path, disaster.archive)
    done = put_back(place, disaster, anchor)
    seen = open_checkpoint(disaster.newest(), SIGNER.verifier).size
    assert done.outlook.lost is None
    assert (done.entry, done.recovered.last, done.missing) == (seen, seen - 1, ())
    assert {one.size for one in done.outlook.sightings} == {seen}
    restored = parse_entry(entries_of(tmp_path)[-1])
    assert restored.type == "log.restored"
    assert restored.body["payloads_lost"] == 1  # LATER's; ERASED's is no loss
    assert restored.body["change"] == {
        "user": "root",
        "change_type": "log.restore",
        "previous_value": f"backup of {done.manifest.time}, {done.manifest.size} entries signed",
        "new_value": f"{seen} entries",
        "justification": "the disk burnt",
        "approval_id": "INC-7",
    }
    start(place)
    with SqliteSource(tmp_path / "log.db") as source:
        anchored = open_checkpoint(disaster.newest(), SIGNER.verifier)
        verdict = verify_log(source, ORIGIN, SIGNER.verifier, [anchored])
    assert (verdict.word, verdict.exit_code) == (Word.ERASED, 0), verdict.sentence
    assert verdict.remarks == ("LOST: 1 payloads, in a disaster, as a log.restored entry says.",)


def test_a_payload_that_was_not_lost_then_is_missing(
    disaster: Disaster, anchor: Path, tmp_path: Path
) -> None:
    place = settle_in(tmp_path, disaster.archive)
    put_back(place, disaster, anchor)
    engine = open_engine(tmp_path / "log.db")

    async def go_on() -> None:
        log = await open_log(engine)
        await log.append([note("sealed afterwards")], [payload("3" * 48)])
        await log.aclose()

    asyncio.run(go_on())
    engine.dispose()
    with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
        database.execute("DELETE FROM payloads WHERE class_id LIKE '333%'")
    with SqliteSource(tmp_path / "log.db") as source:
        verdict = verify_log(source, ORIGIN, SIGNER.verifier)
    assert verdict.word is Word.MISSING


def test_restoring_signs_nothing(disaster: Disaster, anchor: Path, tmp_path: Path) -> None:
    put_back(settle_in(tmp_path, disaster.archive), disaster, anchor)
    engine = open_engine(tmp_path / "log.db")
    newest = SqlSealedLog(engine, ORIGIN).newest_size()
    engine.dispose()
    assert newest == open_checkpoint(disaster.newest(), SIGNER.verifier).size


def test_what_was_erased_is_out_of_the_files(
    disaster: Disaster, anchor: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(disaster.backup / "log.db")) as database:
        query = "SELECT sealed FROM payloads WHERE class_id LIKE '111%'"
        (sealed,) = database.execute(query).fetchone()
    put_back(settle_in(tmp_path, disaster.archive), disaster, anchor)
    for path in tmp_path.glob("log.db*"):
        assert sealed not in path.read_bytes(), path


def test_without_an_archive_what_is_lost_is_named_and_nothing_is_written(
    disaster: Disaster, anchor: Path, tmp_path: Path
) -> None:
    place = settle_in(tmp_path)
    done = put_back(place, disaster, anchor)
    seen = open_checkpoint(disaster.newest(), SIGNER.verifier).size
    assert done.outlook.lost == (done.manifest.size, seen - 1)
    assert done.entry is None
    assert parse_entry(entries_of(tmp_path)[-1]).type != "log.restored"
    # And a gateway that knows that checkpoint does not start.
    place = settle_in(tmp_path, kept=[anchor])
    with pytest.raises(LogBrokenError, match=f"has seen {seen}.*gateway restore"):
        start(place)


def test_a_database_that_is_there_stays_unless_told(
    disaster: Disaster, anchor: Path, tmp_path: Path
) -> None:
    place = settle_in(tmp_path, disaster.archive)
    (tmp_path / "log.db").write_bytes(b"the broken one")
    with pytest.raises(BackupError, match="--replace"):
        put_back(place, disaster, anchor)
    assert (tmp_path / "log.db").read_bytes() == b"the broken one"
    put_back(place, disaster, anchor, is_replacing=True)
    (kept,) = tmp_path.glob("log.db.replaced-*Z")
    assert kept.read_bytes() == b"the broken one"


def test_a_copy_that_went_on_is_a_fork(disaster: Disaster, anchor: Path, tmp_path: Path) -> None:
    place = settle_in(tmp_path)
    put_back(place, disaster)
    engine = open_engine(tmp_path / "log.db")

    async def go_on() -> None:
        log = await open_log(engine)
        await log.append([note(f"another history {number}") for number in range(1_500)])
        await log.aclose()

    asyncio.run(go_on())
    engine.dispose()
    with pytest.raises(LogBrokenError, match="FORK"):
        start(settle_in(tmp_path, kept=[anchor]))
    with pytest.raises(LogBrokenError, match="FORK"):
        start(settle_in(tmp_path, disaster.archive))


def test_an_empty_database_beside_a_full_archive_does_not_start(
    disaster: Disaster, tmp_path: Path
) -> None:
    with pytest.raises(LogBrokenError, match="0 entries here"):
        start(settle_in(tmp_path, disaster.archive))


class SilentStore(FolderStore):
    """An archive that does not answer."""

    def versions(self, prefix: str = "", start: str = "") -> Iterator[Version]:
        raise ArchiveError("the archive does not answer")


def test_nobody_could_be_asked(
    disaster: Disaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(disaster.backup / "log.db", tmp_path / "log.db")
    store = SilentStore(disaster.archive)
    monkeypatch.setattr("gateway.inquiring.open_store", lambda *_: store)
    with pytest.raises(GatewayError, match=r"nobody could be asked.*does not answer"):
        start(settle_in(tmp_path, disaster.archive))


def run(*arguments: str | Path) -> tuple[int, Any]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_commands(disaster: Disaster, anchor: Path, tmp_path: Path) -> None:
    shutil.copy(disaster.database, tmp_path / "log.db")
    _, path = settle_in(tmp_path, disaster.archive)
    code, text = run(
        "backup", tmp_path / "backups", "--config", path, "--region", "eu-west-1", "--json"
    )
    assert code == 0
    made = json.loads(text)
    assert (Path(made["folder"]) / "log.db").stat().st_size == made["bytes"]
    arguments = ("--config", path, "--justification", "a drill", "--checkpoint", anchor)
    code, text = run("restore", made["folder"], *arguments, "--replace", "--json")
    told = json.loads(text)
    assert (code, told["lost"], told["here"]) == (0, None, made["size"])
    _, path = settle_in(tmp_path)
    code, text = run("restore", disaster.backup, *arguments, "--replace")
    assert code == 1
    assert "LOST" in text
    assert "gateway restore close --lost" in text


def test_a_backup_goes_where_the_log_may_be(disaster: Disaster, tmp_path: Path) -> None:
    shutil.copy(disaster.database, tmp_path / "log.db")
    _, path = settle_in(tmp_path)
    for region, told in (
        ((), f"say with --region in which region {tmp_path / 'backups'} is"),
        (("--region", "us-east-1"), "^--region is us-east-1: the log lives in "),
    ):
        with pytest.raises(GatewayError, match=told):
            run("backup", tmp_path / "backups", "--config", path, *region)
    assert not (tmp_path / "backups").exists()
