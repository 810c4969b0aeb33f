"""A log that lost entries is closed, and the one that goes on protects no less."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.audit.errors import LogBrokenError
from gateway.audit.sql_log import SqlLog
from gateway.backup.errors import BackupError
from gateway.backup.manifest import read_manifest
from gateway.changes.governance import fold
from gateway.changes.records import Record
from gateway.changes.state import Governance
from gateway.cli import app
from gateway.clock import SystemClock
from gateway.configuration import load_configuration
from gateway.errors import ConfigError, GatewayError
from gateway.inquiring import inquiry_of
from gateway.opening import signer_of
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.errors import SuccessionError
from gateway.transparency.notes import Verifier
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.backups import BUNDLE, Disaster, make_disaster, settle_in
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine

NEW = f"{ORIGIN}~2"
CAROL, DAVE = "spiffe://example.org/operator/carol", "spiffe://example.org/approver/dave"


@pytest.fixture(scope="module")
def disaster(tmp_path_factory: pytest.TempPathFactory) -> Disaster:
    return make_disaster(tmp_path_factory.mktemp("disaster"))


class Place:
    """A database that was put back from an old backup, and a collector's checkpoint of more."""

    def __init__(self, folder: Path, disaster: Disaster) -> None:
        self.folder = folder
        self.anchor = folder / "anchor"
        self.anchor.write_text(disaster.newest(), encoding="utf-8")
        self.config, self.path = settle_in(folder)
        self.database = folder / "log.db"
        self.database.write_bytes((disaster.backup / "log.db").read_bytes())
        self.seen = open_checkpoint(disaster.newest(), SIGNER.verifier).size
        self.here = read_manifest(disaster.backup).size
        self.statement = folder / "statement.note"

    def run(self, *arguments: str | Path) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    def close(self, lost: str | None = None) -> str:
        return self.run(
            "restore", "close", "--config", self.path, "--reason", "the disk burnt",
            "--lost", lost or f"{self.here}-{self.seen - 1}", "--checkpoint", self.anchor,
            "--new-key", self.folder / "checkpoint-2.key", "--out", self.statement,
        )  # fmt: skip

    def sign(self, *people: str) -> None:
        for uri in people:
            key = self.folder / f"{uri.rpartition('/')[2]}.key"
            if not key.exists():
                self.run("keys", "succession-key", "--as", uri, "--out", key)
            self.run("restore", "sign", self.statement, "--key", key, "--as", uri)

    def succeed(self) -> str:
        _, path = self.settle_new()
        return self.run("restore", "succeed", self.statement, "--config", path)

    def settle_new(self) -> tuple[Any, Path]:
        keys = [str(path) for path in self.folder.glob("*.vkey") if "checkpoint" not in path.name]
        folder = self.folder / "new"
        folder.mkdir(exist_ok=True)
        return settle_in(
            folder,
            origin=NEW,
            database=f"sqlite:///{self.database}",
            checkpoint_key=str(self.folder / "checkpoint-2.key"),
            succession_keys=keys,
        )

    def start(self, config: Any, path: Path) -> None:
        async def run() -> None:
            engine = open_engine(self.database)
            signer = signer_of(config)
            try:
                log = await SqlLog.open(
                    engine, config.log.origin, signer, MemoryKeyService(), SystemClock(), ACTOR,
                    inquire=await inquiry_of(
                        config, engine, [signer.verifier], SystemClock(), seconds=0
                    ),
                )  # fmt: skip
                await log.append([note("goes on")])
                await log.aclose()
            finally:
                engine.dispose()

        asyncio.run(run())

    def governance(self, log: str) -> Governance:
        with SqliteSource(self.database, log) as source:
            rows = [row for batch in source.entries() for row in batch]
        return fold(_journal_of(rows))


def _journal_of(rows: list[Any]) -> Iterator[Record]:
    from gateway.transparency.entry import parse_entry
    from gateway.transparency.journal_types import JOURNAL_TYPES

    for _, data, _ in rows:
        entry = parse_entry(data)
        if entry.type in JOURNAL_TYPES:
            yield Record(entry.seq, entry.time_us, entry.type, entry.actor, entry.body)


@pytest.fixture
def place(tmp_path: Path, disaster: Disaster) -> Place:
    return Place(tmp_path, disaster)


def test_closed_by_two_and_succeeded(place: Place) -> None:
    told = place.close()
    assert f"LOST {place.here}..{place.seen - 1}" in told
    place.sign(CAROL, DAVE)
    place.succeed()
    old, new = place.governance(ORIGIN), place.governance(NEW)
    assert new.active is not None
    assert new.active.bundle == BUNDLE
    assert [(dict(one.row), one.is_confirmed) for one in new.protections] == [
        (dict(one.row), one.is_confirmed) for one in old.protections
    ]
    assert [one.is_confirmed for one in new.protections] == [True, False]
    config, path = place.settle_new()
    place.start(config, path)
    with SqliteSource(place.database, NEW) as source:
        verdict = verify_log(source, NEW, signer_of(config).verifier)
    assert verdict.word is Word.UNANCHORED, verdict.sentence
    assert f"LOST {place.here}..{place.seen - 1}" in verdict.remarks[0]
    with SqliteSource(place.database, ORIGIN) as source:
        verdict = verify_log(source, ORIGIN, SIGNER.verifier)
    assert verdict.word in (Word.UNANCHORED, Word.OK_UNSEALED), verdict.sentence
    assert verdict.sealed == place.here
    with pytest.raises(LogBrokenError, match=f"log {NEW} succeeds it"):
        place.start(place.config, place.path)


@pytest.mark.parametrize("people", [(), (CAROL,), (CAROL, CAROL)])
def test_one_person_is_not_enough(place: Place, people: tuple[str, ...]) -> None:
    place.close()
    place.sign(*people)
    with pytest.raises(SuccessionError, match="2 different people"):
        place.succeed()
    with closing(sqlite3.connect(place.database)) as database:
        query = "SELECT count(*) FROM entries WHERE log = ?"
        assert database.execute(query, (NEW,)).fetchone() == (0,)


def test_an_auditor_checks_who_signed(place: Place) -> None:
    place.close()
    place.sign(CAROL, DAVE)
    place.succeed()
    people = [str(place.folder / f"{name}.vkey") for name in ("carol", "dave")]
    asked = ["audit", "succession", str(place.database), "--log", NEW, "--key"]

    def check(key: str, *persons: str, checkpoint: Path = place.anchor) -> tuple[int, str]:
        named = [argument for one in persons for argument in ("--person", one)]
        outside = ("--checkpoint", str(checkpoint))
        done = CliRunner().invoke(app, [*asked, key, *named, *outside])
        return done.exit_code, done.output

    code, text = check(SIGNER.vkey, *people)
    assert code == 0
    assert f"LOST {place.here}..{place.seen - 1}" in text
    assert check(SIGNER.vkey, people[0])[0] == 1
    assert check(SIGNER.vkey, *people, checkpoint=place.folder / "none")[0] == 2
    asked[4] = ORIGIN
    assert check(SIGNER.vkey, *people) == (
        2,
        f"gateway: log {ORIGIN} succeeds none: its first entry names none\n",
    )


def test_it_is_done_once(place: Place) -> None:
    place.close()
    place.sign(CAROL, DAVE)
    place.succeed()
    with pytest.raises(BackupError, match="already"):
        place.succeed()


def test_what_is_lost_is_said_as_it_is(place: Place) -> None:
    with pytest.raises(BackupError, match=f"entries {place.here}"):
        place.close(f"{place.here + 1}-{place.seen - 1}")
    with pytest.raises(ConfigError, match="--lost FIRST-LAST"):
        place.close("all")
    assert not place.statement.exists()


def test_nothing_is_closed_that_lost_nothing(place: Place, disaster: Disaster) -> None:
    place.database.write_bytes(disaster.database.read_bytes())
    with pytest.raises(BackupError, match="nothing of log"):
        place.close()


def test_an_old_log_that_signed_on_is_not_succeeded(place: Place) -> None:
    place.close()
    place.sign(CAROL, DAVE)
    place.start(place.config, place.path)  # it was not told of the anchor, and signed more
    with pytest.raises(BackupError, match="close it again"):
        place.succeed()


def test_the_new_log_is_the_one_that_is_named(place: Place) -> None:
    place.close()
    place.sign(CAROL, DAVE)
    with pytest.raises(ConfigError, match=r"name them in log\.origin"):
        place.run("restore", "succeed", place.statement, "--config", place.path)


def test_a_person_signs_with_a_key_of_theirs(place: Place) -> None:
    place.close()
    with pytest.raises(GatewayError, match="SPIFFE id"):
        place.run("restore", "sign", place.statement, "--key", place.folder / "x", "--as", "carol")
    place.run("keys", "succession-key", "--as", CAROL, "--out", place.folder / "carol.key")
    vkey = Verifier.from_vkey((place.folder / "carol.vkey").read_text())
    assert f"spiffe://{vkey.name}" == CAROL


def test_settings_name_the_people(place: Place) -> None:
    _, path = place.settle_new()
    assert load_configuration(path).log.succession_keys == ()
