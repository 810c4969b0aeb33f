"""Other processes only make it faster: chunks are joined, and what does not fit is judged here."""

from pathlib import Path

import pytest

from gateway.transparency import parallel, verify
from gateway.transparency.chunks import Chunk, Task
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from gateway.transparency.walk import Walk
from tests.unit.transparency.whole_logs import NEW, WholeLog


@pytest.fixture
def log(tmp_path: Path) -> WholeLog:
    made = WholeLog(tmp_path / "log.db")
    made.run("BEGIN")
    made.fill(1300).seal()
    made.fill(1300)
    made.run("COMMIT")
    return made


def count_joins(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    seen: list[bool] = []

    def join(walk: Walk, task: Task, chunk: Chunk) -> bool:
        seen.append(parallel.join(walk, task, chunk))
        return seen[-1]

    monkeypatch.setattr(verify, "join", join)
    return seen


def test_whole_log_is_joined_chunk_by_chunk(log: WholeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    anchor = log.seal()
    seen = count_joins(monkeypatch)
    assert log.judge(anchor).word is Word.OK
    assert seen == [True] * 9  # the first tile and the last, short one are read here


def test_after_a_handover_and_a_gap_chunks_are_joined_again(
    log: WholeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.purge_entries(512, 1023)
    first = log.signer
    log.hand_over(NEW)
    log.run("BEGIN")
    anchor = log.fill(1200).seal()
    log.run("COMMIT")
    seen = count_joins(monkeypatch)
    assert log.judge(anchor, keys=[first]).word is Word.PURGED
    assert (seen.count(True), seen.count(False)) == (8, 1)


def test_processes_of_their_own_agree(log: WholeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    anchor = log.seal()
    monkeypatch.setattr(parallel, "WORTH_ENTRIES", 1)
    monkeypatch.setattr(parallel, "CHUNK_ENTRIES", 512)
    seen = count_joins(monkeypatch)
    with SqliteSource(log.path) as source:
        found = parallel.start_processes(source, 2)
        assert found is not None
        try:
            verdict = verify_log(
                source, source.origin, log.signer.verifier, [anchor], parallel=found
            )
        finally:
            found.executor.shutdown()
    assert verdict == log.judge(anchor)
    assert seen[:4] == [True] * 4


def test_small_log_starts_no_process(log: WholeLog) -> None:
    with SqliteSource(log.path) as source:
        assert parallel.start_processes(source, 8) is None
