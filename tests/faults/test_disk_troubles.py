"""A disk that is full, read-only, slow, or a database that somebody else holds: callers are told so
at once, nothing half stays, and the log goes on by itself when it can."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.errors import LogUnavailableError
from tests.fakes.disk_cases import CASES
from tests.fakes.disk_child import Child, End, Run, Scenario, child
from tests.fakes.disk_logs import DATABASE, assert_log_recovers, assert_whole
from tests.fakes.disk_sweep import Bench, Case, Death, seeded
from tests.fakes.disk_trees import export_as_it_grows
from tests.fakes.disk_troubles import (
    BOUND,
    BURSTS,
    SYNC_SECONDS,
    fill_the_disk,
    make_read_only,
    overload_a_slow_disk,
    until_healthy,
)
from tests.fakes.failing_disk import FailingDisk, Fault, Kind, Mode, why_not
from tests.fakes.power_loss import Survival
from tests.fakes.sql_logs import note, open_engine, open_log

needs_disk = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
MEGABYTE = 2**20
FAIL, PERSISTED = Mode.FAIL, Mode.PERSISTED


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    with child(tmp_path_factory.mktemp("child")) as made:
        yield made


def suffer(process: Child, place: Path, scenario: Scenario) -> Run:
    folder = place / "disk"
    folder.mkdir()
    disk = FailingDisk(folder, place / "machinery")
    run = process.run(disk, scenario)
    disk.close()
    assert run.end is End.FINISHED
    assert_log_recovers(folder, run.told)
    return run


@needs_disk
@pytest.mark.parametrize(
    ("scenario", "words"), [(fill_the_disk, "full"), (make_read_only, "I/O error")]
)
def test_a_disk_that_takes_nothing_is_said_and_the_log_goes_on_by_itself(
    process: Child, tmp_path: Path, scenario: Scenario, words: str
) -> None:
    told = suffer(process, tmp_path, scenario).told
    assert len(told.of("unanswered")) > 40
    assert all("cannot be written" in str(each["why"]) for each in told.of("unanswered"))
    found = [str(each["words"]) for each in told.of("health")]
    assert len(found) == 2
    assert all(words in text for text in found), found
    assert len(told.of("healthy")) == 2
    kinds = [each["what"] for each in told.tellings if each["what"] in ("answer", "healthy")]
    assert [kinds[at + 1] for at, kind in enumerate(kinds) if kind == "healthy"] == ["answer"] * 2


@needs_disk
def test_a_slow_disk_has_a_bounded_queue_and_callers_past_it_are_told_at_once(
    process: Child, tmp_path: Path
) -> None:
    (found,) = suffer(process, tmp_path, overload_a_slow_disk).told.of("overload")
    outcomes, grown = found["outcomes"], found["grown"]
    assert isinstance(outcomes, dict)
    assert isinstance(grown, int)
    assert set(outcomes) == {"answered", "full"}
    # What waits, and what is being written meanwhile.
    assert BURSTS * BOUND <= outcomes["answered"] <= 2 * BURSTS * BOUND
    assert isinstance(found["slowest"], float)
    assert found["slowest"] < SYNC_SECONDS
    assert grown < 4 * MEGABYTE, f"memory grew by {grown} bytes"


@needs_disk
def test_a_database_that_cannot_have_a_write_ahead_log_is_refused(
    process: Child, tmp_path: Path
) -> None:
    """SQLite goes on with a rollback journal then, whose commits a power loss may undo: the first
    answer is looked up on a machine that died just after it."""
    bench = Bench(CASES[0], process, tmp_path)
    calls = [call for call in bench.run().run.calls if call.path.endswith("-journal")]
    assert calls
    for fault in [Fault(mode, call.number) for call in calls for mode in (FAIL, PERSISTED)]:
        made = bench.run(fault)
        answers = [at for at, call in enumerate(made.run.calls) if b'"answer"' in call.data]
        if answers:
            bench.die(made, Death(answers[0] + 1, Survival.NOTHING, 0), str(fault))


@needs_disk
@pytest.mark.parametrize("case", CASES[:2], ids=str)
def test_a_write_ahead_log_has_its_name_before_anything_is_answered(
    case: Case, process: Child, tmp_path: Path
) -> None:
    """SQLite syncs the folder and does not look whether that worked."""
    bench = Bench(case, process, tmp_path)
    measured = bench.run()
    folders = [
        call.number
        for call in measured.run.calls
        if call.kind is Kind.SYNC and Path(call.path) == measured.folder
    ]
    assert folders
    for number in folders:
        made = bench.run(Fault(FAIL, number))
        answers = [at for at, call in enumerate(made.run.calls) if b'"answer"' in call.data]
        for at in answers[:1] + answers[-1:]:
            bench.die(made, Death(at + 1, Survival.NOTHING, 0), f"sync {number}")


@needs_disk
def test_an_export_whose_checkpoint_may_stand_keeps_its_tiles(
    process: Child, tmp_path: Path
) -> None:
    """Its rename, or the sync after it, is told to have failed and took effect."""
    case = next(case for case in CASES if case.scenario is export_as_it_grows)
    bench = Bench(case, process, tmp_path)
    measured = bench.run().run.calls
    renames = [call.number for call in measured if call.other.endswith("/checkpoint")]
    assert len(renames) == 3
    randomness = seeded("export")
    for number in renames:
        bench.strike(Fault(PERSISTED, number), randomness)
        bench.strike(Fault(FAIL, number + 1), randomness)


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
connection.close()
"""


@contextmanager
def held_by_another_process(database: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLDER, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield  # the end of its input ends it


def test_a_database_that_another_process_holds_is_said_and_the_log_goes_on_by_itself(
    tmp_path: Path,
) -> None:
    engine = open_engine(tmp_path / DATABASE, busy_timeout_seconds=0.2)

    async def main() -> None:
        log = await open_log(engine, interval_seconds=0.01)
        places = await log.append([note("before")])
        with held_by_another_process(tmp_path / DATABASE):
            for _ in range(3):
                with pytest.raises(LogUnavailableError, match="locked"):
                    await log.append([note("lost")])
        await until_healthy(log)
        places += await log.append([note("after")])
        assert [place.seq for place in places] == [1, 2]
        await log.aclose()
        answered = {place.seq: place.leaf_hash for place in places}
        assert_whole(engine, answered, [log.checkpoint() or ""])

    asyncio.run(main())
    engine.dispose()
