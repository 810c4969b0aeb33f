"""The archiver beside a gateway, and `gateway audit archive`."""

import asyncio
import json
from pathlib import Path
from textwrap import dedent

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from typer.testing import CliRunner

from gateway.archive.archiver import Archiver
from gateway.archive.errors import ArchiveError
from gateway.archive.writing import ArchiveTerms
from gateway.archiving import Archiving, ArchivingCollector, open_store, run_archiver
from gateway.cli import app
from gateway.clock import ManualClock
from gateway.configuration import ArchiveConfig, load_configuration
from gateway.transparency.segments import SegmentPlace, log_folder
from tests.fakes.object_store import MemoryStore
from tests.fakes.sealed_log import ORIGIN, GrowingLog, store_log
from tests.fakes.sql_logs import open_engine

CLOCK = ManualClock()
CONFIG = f"""
    trust_domain: example.org
    tls: {{certificate: a, key: b, ca: c}}
    log: {{origin: {ORIGIN}, database: "sqlite:///log.db", checkpoint_key: k, region: eu-west-1}}
    policies: {{bundle: a, bundle_keys: [b]}}
    key_service: {{age_identity: a}}
    archive: {{folder: archive, region: eu-west-1, segment_entries: 10}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(dedent(CONFIG))
    return path


def stored_log(tmp_path: Path) -> GrowingLog:
    log = GrowingLog().grow(3).seal().grow(12).seal()
    engine = open_engine(tmp_path / "log.db")
    store_log(engine, log)
    engine.dispose()
    return log


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", "archive", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_an_archive_that_is_behind_is_no_problem_and_the_help_says_so(
    config: Path, tmp_path: Path
) -> None:
    stored_log(tmp_path)
    code, said = run("--config", config, "--check")
    assert (code, "0 of 16 signed, 16 not there yet" in said) == (0, True), said
    _, told = run("--help")
    words = " ".join(told.replace("│", " ").split())
    assert "the newest entries are not there yet is told and is no problem, with --check" in words


def test_the_command_writes_what_is_missing_and_says_how_it_stands(
    config: Path, tmp_path: Path
) -> None:
    stored_log(tmp_path)
    code, output = run("--config", config)
    assert (code, "0 of 16 signed, 16 not there yet" in output) == (0, True)
    code, output = run("--config", config, "--now", "--check")
    assert code == 0
    assert "16 of 16 signed, 0 not there yet" in output
    assert "the store keeps no dates" in output
    code, output = run("--config", config, "--now", "--check", "--json")
    value = json.loads(output)
    assert (code, value["archived"], value["written"], value["objects_checked"]) == (0, 16, [], 5)


def test_what_an_archive_lacks_for_a_purge_is_looked_for_once_an_interval() -> None:
    log, store, clock = GrowingLog().grow(7).seal(), MemoryStore(), ManualClock()
    archiver = Archiver(log, store, ArchiveTerms("eu-west-1", 7), clock)
    archiving = Archiving(archiver, 10.0, clock)
    for _ in range(2):
        with pytest.raises(ArchiveError, match="entry 0 is not"):
            archiving.verify_held(0, 7)
        archiver.run_once()
    clock.advance(10)
    archiving.verify_held(0, 7)


def test_the_command_finds_what_does_not_hold(config: Path, tmp_path: Path) -> None:
    stored_log(tmp_path)
    run("--config", config, "--now")
    path = tmp_path / "archive" / log_folder(ORIGIN) / SegmentPlace(0, 3).name
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b'"n":2', b'"n":3'))
    assert run("--config", config)[0] == 0
    code, output = run("--config", config, "--check", "--json")
    assert code == 1
    assert json.loads(output)["problems"] == [
        f"{SegmentPlace(0, 3).name}: its entries have not the digest that its head says"
    ]
    path.unlink()
    code, output = run("--config", config)
    assert code == 1
    assert "entries 0 to 3 are not in the archive" in output
    assert run("--config", config, "--now", "--check")[0] == 0


def test_the_archiver_runs_beside_and_stops(config: Path, tmp_path: Path) -> None:
    log = stored_log(tmp_path)
    engine = open_engine(tmp_path / "log.db")

    async def main() -> None:
        settings = load_configuration(config)
        async with run_archiver(settings, engine, ManualClock()) as archiving:
            assert archiving is not None
            await asyncio.wait_for(archiving.has_looked.wait(), 10)
            assert archiving.problem is None
            assert archiving.status is not None
            assert archiving.status.archived == len(log.data)

    asyncio.run(main())
    engine.dispose()


def test_what_fails_is_shown_and_tried_again() -> None:
    store, log = MemoryStore(), GrowingLog().grow(3).seal()
    archiving = Archiving(Archiver(log, store, ArchiveTerms("", 7), CLOCK), 60, CLOCK)
    registry = CollectorRegistry()
    registry.register(ArchivingCollector(archiving))
    store.writes_left = 1
    asyncio.run(archiving.run_once())
    assert "failed" in str(archiving.problem)
    assert "gateway_archive_problem 1.0" in generate_latest(registry).decode()
    store.writes_left = None
    asyncio.run(archiving.run_once())
    assert archiving.problem is None
    shown = generate_latest(registry).decode()
    assert "gateway_archive_problem 0.0" in shown
    assert "gateway_archive_entries 4.0" in shown
    assert "gateway_archive_behind_entries 0.0" in shown
    log.grow(2).seal()
    store.attack_marker("log.json")
    asyncio.run(archiving.run_once())
    assert archiving.status is not None
    assert archiving.status.archived == 6


def test_an_archiver_that_stopped_is_a_problem() -> None:
    store, log = MemoryStore(), GrowingLog().grow(3).seal()
    archiving = Archiving(Archiver(log, store, ArchiveTerms("", 7), CLOCK), 60, CLOCK)

    async def main() -> None:
        log.heads.clear()
        log.newest_size = lambda: 1 // 0  # type: ignore[method-assign]
        task = asyncio.create_task(archiving.run())
        task.add_done_callback(archiving.note_end)
        await asyncio.wait([task])

    asyncio.run(main())
    assert archiving.problem == "the archiver stopped: ZeroDivisionError; restart the gateway"


def test_a_store_is_the_one_logs(tmp_path: Path) -> None:
    store = open_store(ArchiveConfig(folder=tmp_path), ORIGIN, ManualClock())
    assert store.place == f"{tmp_path}/{log_folder(ORIGIN)}/"
