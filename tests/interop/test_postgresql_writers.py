"""Several processes write to one log, and the server dies under them. What was answered stands,
there is no fork and no gap, and the whole log verifies.

`GATEWAY_WRITERS_SECONDS` (10; `make writers` a minute), `GATEWAY_SERVER_KILLS` (6; `make writers`
40), `GATEWAY_WRITERS_SEED` to repeat a run.
"""

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.storage.postgresql_source import PostgresSource
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import parse_entry
from gateway.transparency.source import LogSource
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.log import ORIGIN
from tests.fakes.postgresql import PostgresServer, running_postgres
from tests.fakes.sql_logs import SIGNER, open_engine

SECONDS = float(os.environ.get("GATEWAY_WRITERS_SECONDS", "10"))
KILLS = int(os.environ.get("GATEWAY_SERVER_KILLS", "6"))
WRITERS = 4
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(600 + 4 * SECONDS + 20 * KILLS)


@dataclass(frozen=True)
class Answer:
    seq: int
    leaf_hash: str
    text: str


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        yield made


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("GATEWAY_WRITERS_SEED") or secrets.randbits(32))
    sys.stdout.write(f"\nGATEWAY_WRITERS_SEED={chosen}\n")
    return chosen


def start_writers(
    url: str, folder: Path, seconds: float, seed: int, count: int = WRITERS
) -> list[subprocess.Popen[bytes]]:
    program = [sys.executable, "-m", "tests.fakes.log_writer", url]
    started = []
    for number in range(count):
        arguments = [f"w{number}", str(seconds), str(seed + number)]
        with (folder / f"w{number}").open("wb") as output:
            started.append(
                subprocess.Popen(
                    [*program, *arguments],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.PIPE,
                )
            )
    return started


def until_written(path: Path, size: int) -> None:
    """Wait until a writer's output has so many bytes; fails after a minute."""
    for _ in range(6_000):
        if path.stat().st_size >= size:
            return
        time.sleep(0.01)
    raise AssertionError(f"{path.name} says nothing more")


def end_writers(started: list[subprocess.Popen[bytes]], folder: Path) -> list[Answer]:
    """What was answered to all of them; fails when one did not end well."""
    answers, counts = [], []
    for number, process in enumerate(started):
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
        *lines, last = (folder / f"w{number}").read_text().splitlines()
        answers += [Answer(int(seq), leaf, text) for seq, leaf, text in map(str.split, lines)]
        counts.append(tuple(map(int, last.split()[1:])))
    sys.stdout.write(f"answered, refused, moved by writer: {counts}\n")
    assert all(answered for answered, _, _ in counts)
    return answers


def assert_stands(source: LogSource, answers: list[Answer]) -> None:
    """Every answer is in the log where it was said to be, once; the log is whole, and anchored by
    its own newest checkpoint held as one from outside."""
    newest = [note for _, _, note in source.checkpoints()][-1]
    assert isinstance(newest, bytes)
    anchor = open_checkpoint(newest.decode(), SIGNER.verifier)
    verdict = verify_log(source, ORIGIN, SIGNER.verifier, [anchor])
    sys.stdout.write(
        f"{verdict.word} {verdict.entries} entries, {verdict.checkpoints} checkpoints, "
        f"{len(answers)} answers hold\n"
    )
    assert verdict.word is Word.OK, verdict.sentence
    rows = [row for batch in source.entries() for row in batch]
    assert [seq for seq, _, _ in rows] == list(range(verdict.entries))
    texts: dict[str, int] = {}
    for seq, data, _ in rows:
        assert isinstance(data, bytes)
        assert isinstance(seq, int)
        entry = parse_entry(data)
        if entry.type == "test.note":
            text = str(entry.body["note"])
            assert text not in texts, f"{text} stands at {texts.get(text)} and {seq}"
            texts[text] = seq
    for answer in answers:
        leaf = rows[answer.seq][2]
        assert isinstance(leaf, bytes)
        assert leaf.hex() == answer.leaf_hash
        assert texts[answer.text] == answer.seq


def test_four_writers_on_sqlite(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "log.db"
    open_engine(path).dispose()
    answers = end_writers(start_writers(f"sqlite:///{path}", tmp_path, SECONDS, seed), tmp_path)
    with SqliteSource(path) as source:
        assert_stands(source, answers)


def test_four_writers_on_postgresql(server: PostgresServer, tmp_path: Path, seed: int) -> None:
    url = server.url(server.new_database())
    answers = end_writers(start_writers(url, tmp_path, SECONDS, seed), tmp_path)
    with PostgresSource(url) as source:
        assert_stands(source, answers)


def test_the_server_dies_under_writers_again_and_again(
    server: PostgresServer, tmp_path: Path, seed: int
) -> None:
    url = server.url(server.new_database())
    chance = random.Random(seed)
    started = start_writers(url, tmp_path, 0, seed, count=2)
    for number in range(2):
        until_written(tmp_path / f"w{number}", 1)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.05, 1.0))
        server.kill()
        server.start()
        for number in range(2):
            path = tmp_path / f"w{number}"
            until_written(path, path.stat().st_size + 1)  # each of them goes on
    answers = end_writers(started, tmp_path)
    assert "was not properly shut down" in server.read_log()
    with PostgresSource(url) as source:
        assert_stands(source, answers)
