"""Going on from an earlier verification changes nothing in the verdict but what was read anew."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.entry import leaf_hash
from gateway.transparency.errors import SourceError
from gateway.transparency.notes import Signer
from gateway.transparency.resume import Resume
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Verdict, Word
from gateway.transparency.verify import verify_log
from tests.unit.transparency.whole_logs import NEW, WholeLog

CLASSES = [f"{number:048x}" for number in range(12)]


class Clock:
    """Each look is six seconds later, so that every step is saved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 6.0
        return self.seconds


def resumed(log: WholeLog, path: Path, *anchors: Checkpoint, key: Signer | None = None) -> Verdict:
    given = (key or log.signer).verifier
    with SqliteSource(log.path) as source:
        resume = Resume(path, {"key": given.vkey}, Clock())
        return verify_log(source, source.origin, given, anchors, resume=resume)


def anew(log: WholeLog, *anchors: Checkpoint, key: Signer | None = None) -> Verdict:
    return log.judge(*anchors, keys=[key or log.signer])


@pytest.fixture
def log(tmp_path: Path) -> WholeLog:
    made = WholeLog(tmp_path / "log.db")
    made.fill(290)
    made.seal_payloads(CLASSES[:4])
    made.seal()
    return made


def test_goes_on_where_it_ended(log: WholeLog, tmp_path: Path) -> None:
    """Over everything that a state carries: keys, tiles, payloads, deeds, journal, gaps."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to run it again
    chance, state, first = random.Random(seed), tmp_path / "state", log.signer
    steps: list[Callable[[], object]] = [
        lambda: log.purge_entries(0, 255),
        lambda: log.fill(chance.randrange(300)),
        lambda: log.erase(CLASSES[:1]),
        lambda: log.seal_payloads(CLASSES[4:8]),
        lambda: log.hand_over(NEW),
        lambda: log.change("exception", {}),
        lambda: log.fill(200),
        lambda: log.erase(CLASSES[1:2]),
    ]
    read, anchors = 0, []
    for step in steps:
        step()
        sealed = log.fill(chance.randrange(3)).seal()  # a deed counts when it is sealed
        given = [sealed] if chance.random() < 0.6 else []
        log.fill(chance.randrange(2))
        anchors += given  # an earlier one counts: it was outside then
        found = resumed(log, state, *given, key=first)
        assert found.earlier == read, found
        read = found.entries
        assert replace(found, earlier=0) == anew(log, *anchors, key=first)


def test_goes_on_with_an_unsigned_tail_of_several_tiles(log: WholeLog, tmp_path: Path) -> None:
    anchor = log.fill(5).seal()
    log.fill(600)
    for _ in range(2):
        found = resumed(log, tmp_path / "state", anchor)
        assert found.word is Word.OK_UNSEALED, found
    log.seal()
    assert replace(resumed(log, tmp_path / "state"), earlier=0) == anew(log, anchor)
    log.fill(300)
    log.run("DELETE FROM tiles WHERE level = 0 AND idx = 1")
    assert resumed(log, tmp_path / "state").word is Word.OK_UNSEALED  # read earlier
    assert anew(log, anchor).word is Word.TAMPERED


def test_what_is_wrong_beside_is_not_gone_on_from(log: WholeLog, tmp_path: Path) -> None:
    log.run("UPDATE checkpoints SET edge = zeroblob(length(edge))")
    log.fill(300).seal()
    for _ in range(2):
        assert resumed(log, tmp_path / "state").word is Word.TAMPERED


def test_break_behind_the_state_is_found(log: WholeLog, tmp_path: Path) -> None:
    resumed(log, tmp_path / "state")
    log.fill(300)
    anchor = log.seal()
    data = log.entry(400)[0].replace(b'"n":', b'"m":')
    log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = 400", data, leaf_hash(data))
    found = resumed(log, tmp_path / "state", anchor)
    assert found.earlier
    assert replace(found, earlier=0) == anew(log, anchor)
    assert (found.word, found.first_bad_seq) == (Word.TAMPERED, 400)


def test_log_that_went_back_behind_the_state(log: WholeLog, tmp_path: Path) -> None:
    """What was verified earlier is evidence from outside, signed by the log."""
    log.fill(100).seal()
    assert resumed(log, tmp_path / "state").word is Word.UNANCHORED
    log.run("DELETE FROM entries WHERE seq >= 296")
    log.run("DELETE FROM checkpoints WHERE size > 296")
    found = resumed(log, tmp_path / "state")
    assert found.word is Word.ROLLBACK, found
    assert "not the one that was verified earlier" in found.remarks[0]


def test_checkpoint_from_before_the_state_makes_it_begin_anew(
    log: WholeLog, tmp_path: Path
) -> None:
    anchor = log.fill(5).seal()
    log.fill(5).seal()
    resumed(log, tmp_path / "state")
    found = resumed(log, tmp_path / "state", anchor)
    assert (found.word, found.earlier, len(found.remarks)) == (Word.OK, 0, 1)
    found = resumed(log, tmp_path / "state", anchor)
    assert (found.word, found.earlier, found.remarks) == (Word.OK, log.tree.size, ())


def test_other_question_begins_anew(log: WholeLog, tmp_path: Path) -> None:
    resumed(log, tmp_path / "state")
    with SqliteSource(log.path) as source:
        resume = Resume(tmp_path / "state", {"key": "another"}, Clock())
        verdict = verify_log(source, source.origin, log.signer.verifier, resume=resume)
    assert verdict.earlier == 0


def test_broken_log_leaves_the_state_before_the_break(log: WholeLog, tmp_path: Path) -> None:
    log.run("DELETE FROM payloads")
    assert resumed(log, tmp_path / "state").word is Word.MISSING
    assert resumed(log, tmp_path / "state").word is Word.MISSING


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"v": 1}', "cut", "other log", "changed"])
def test_damaged_state_is_told(log: WholeLog, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state"
    resumed(log, path)
    value = json.loads(path.read_text())
    if damage == "cut":
        path.write_text(path.read_text()[:-100])
    elif damage == "other log":
        Resume(path, {"key": log.signer.vkey}, Clock()).save("elsewhere", value["state"]["walk"])
    elif damage == "changed":
        value["state"]["walk"]["size"] += 1
        path.write_text(json.dumps(value))
    else:
        path.write_text(damage)
    verdict = resumed(log, path)
    assert (verdict.word, verdict.exit_code) == (Word.UNVERIFIABLE, 2), verdict
    assert "state" in verdict.sentence


def test_state_that_cannot_be_written(log: WholeLog, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot write the state"):
        Resume(tmp_path / "none" / "state", {}, Clock()).save("x", {})
