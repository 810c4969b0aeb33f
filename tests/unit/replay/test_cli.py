"""`gateway audit replay` over a real log, a real OPA and a real age identity."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.audit.port import Removal
from gateway.audit_replay_cli import replay
from gateway.clock import ManualClock, SystemClock
from gateway.errors import ConfigError
from gateway.sealed.age import AgeKeyService
from tests.fakes.decisions import DAY_US
from tests.fakes.recorded_world import RecordedWorld, invoke, make_recorded_world
from tests.fakes.removals import remove
from tests.fakes.sql_logs import SIGNING_KEY, open_engine, open_log

pytestmark = pytest.mark.opa


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RecordedWorld:
    return make_recorded_world(tmp_path_factory.mktemp("replay"))


@pytest.fixture
def world(made: RecordedWorld) -> Iterator[RecordedWorld]:
    """The database is put back after each test."""
    kept = made.database.read_bytes()
    yield made
    for path in made.folder.glob("log.db*"):
        path.unlink()
    made.database.write_bytes(kept)
    made.database.chmod(0o600)


def change(world: RecordedWorld, statement: str) -> None:
    with closing(sqlite3.connect(world.database)) as connection:
        connection.execute(statement)
        connection.commit()


def ask(world: RecordedWorld, query: str) -> list[str]:
    with closing(sqlite3.connect(world.database)) as connection:
        return [row[0] for row in connection.execute(query)]


def lose(world: RecordedWorld, removal: Removal) -> None:
    """Two months later, so that the months of the traffic are over."""

    async def main() -> None:
        database = open_engine(world.database)
        clock = ManualClock(wall_us=SystemClock().now_us() + 62 * DAY_US)
        keys = AgeKeyService.open(world.folder / "age.txt")
        log = await open_log(database, keys, clock)
        await remove(log, removal)
        await log.aclose()
        database.dispose()

    asyncio.run(main())


def test_a_recorded_log_replays_bit_for_bit(world: RecordedWorld) -> None:
    result = invoke(replay, "--config", str(world.config), "--all", "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value["counts"]["SAME"] == 8
    assert sum(value["counts"].values()) == 8
    assert value["absent_entries"] == 0


def test_a_sample_and_a_range_are_parts_of_it(world: RecordedWorld) -> None:
    sampled = invoke(replay, "--config", str(world.config), "--sample", "3", "--json")
    assert json.loads(sampled.stdout)["counts"]["SAME"] == 3
    nothing = invoke(replay, "--config", str(world.config), "--from", "0", "--to", "0", "--json")
    assert nothing.exit_code == 2
    assert sum(json.loads(nothing.stdout)["counts"].values()) == 0


def test_erased_purged_and_exchanged_payloads_are_told_apart(world: RecordedWorld) -> None:
    (erased,) = ask(world, "SELECT class_id FROM payloads LIMIT 1")
    lose(world, Removal(class_ids=(erased,)))
    result = invoke(replay, "--config", str(world.config), "--all", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["counts"]["ERASED"] == 1
    change(world, "UPDATE payloads SET sealed = (SELECT sealed FROM payloads LIMIT 1 OFFSET 2)")
    result = invoke(replay, "--config", str(world.config), "--all", "--json")
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    assert (value["counts"]["DIFFERENT"], value["counts"]["SAME"]) == (6, 1)
    lose(world, Removal(month_keys=tuple(ask(world, "SELECT id FROM month_keys"))))
    result = invoke(replay, "--config", str(world.config), "--all", "--json")
    assert result.exit_code == 2
    counts = json.loads(result.stdout)["counts"]
    assert (counts["ERASED"], counts["PURGED"]) == (1, 7)


def test_a_loss_that_no_entry_explains_is_none_of_them(world: RecordedWorld) -> None:
    change(world, "DELETE FROM payload_keys WHERE rowid = (SELECT min(rowid) FROM payload_keys)")
    result = invoke(replay, "--config", str(world.config), "--all", "--json")
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    assert (value["counts"]["DIFFERENT"], value["counts"]["SAME"]) == (1, 7)
    assert "no erasure or purge in the log" in value["different"][0]["reason"]


def test_the_log_says_what_was_opened_where_its_key_is_and_else_that_is_said(
    world: RecordedWorld,
) -> None:
    arguments = ("--config", str(world.config), "--all", "--json")
    size = len(ask(world, "SELECT seq FROM entries"))
    copy = invoke(replay, *arguments)
    assert "the log does not say that payloads were opened here" in copy.stderr
    assert json.loads(copy.stdout)["counts"]["SAME"] == 8
    assert len(ask(world, "SELECT seq FROM entries")) == size
    pem = SIGNING_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (world.folder / "none.pem").write_bytes(pem)
    try:
        result = invoke(replay, *arguments)
    finally:
        (world.folder / "none.pem").unlink()
    assert result.stderr == ""
    assert json.loads(result.stdout)["counts"]["SAME"] == 8
    entry = json.loads(ask(world, "SELECT bytes FROM entries ORDER BY seq DESC LIMIT 1")[0])
    assert (entry["seq"], entry["type"]) == (size, "payload.opened")
    assert entry["actor"] == "spiffe://example.org/gateway/command-line"
    assert entry["body"]["purpose"].startswith("gateway audit replay by ")
    assert sorted(entry["body"]["classes"]) == sorted(ask(world, "SELECT class_id FROM payloads"))


def test_people_read_it_in_eighty_columns(world: RecordedWorld) -> None:
    change(world, "UPDATE payloads SET sealed = (SELECT sealed FROM payloads LIMIT 1)")
    result = invoke(replay, "--config", str(world.config), "--all")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80, result.stdout
    assert lines[0] == "every verdict of entries 0 to 14"
    assert any(line.split()[:2] == ["DIFFERENT", "7"] for line in lines)
    assert "does not open under its own key" in result.stdout


def test_a_database_that_is_not_there_is_said_and_not_made(world: RecordedWorld) -> None:
    text = world.config.read_text().replace("sqlite:///log.db", "sqlite:///gone.db")
    other = world.folder / "other.yaml"
    other.write_text(text)
    result = invoke(replay, "--config", str(other), "--all")
    assert isinstance(result.exception, ConfigError)
    assert not (world.folder / "gone.db").exists()


def test_all_goes_alone(tmp_path: Path) -> None:
    result = invoke(replay, "--config", str(tmp_path / "g.yaml"), "--all", "--sample", "3")
    assert isinstance(result.exception, ConfigError)
