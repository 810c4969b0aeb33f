"""P3 and P4 under SIGKILL: whatever a client was answered stands in the log, whenever the gateway
dies. The answers that the clients hold are the oracle.

`GATEWAY_KILLS` is the number of kills (4 unless told; `make faults` makes it 50), and
`GATEWAY_KILLS_SEED` the seed to repeat a run.
"""

import os
import random
import secrets
import shutil
import sqlite3
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.notes import Verifier
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.live_gateway import RESET_BEFORE_HANDSHAKE, LiveGateway, end, proposals

KILLS = int(os.environ.get("GATEWAY_KILLS", "4"))
CLIENTS = 8
LIFE_SECONDS = 1.5  # a gateway is killed at a random moment of so long after its first answers
BEFORE_READY = 0.2  # the share of gateways that are killed while they start

pytestmark = [
    pytest.mark.opa,
    pytest.mark.slow,
    pytest.mark.filterwarnings(RESET_BEFORE_HANDSHAKE),
]


@dataclass
class Client:
    """Asks without end, takes the gateway's deaths as they come, keeps every answer."""

    gateway: LiveGateway
    uri: str
    verifier: Verifier
    randomness: random.Random
    held: list[tuple[int, bytes]] = field(default_factory=list)
    newest: Checkpoint | None = None
    answers: int = 0
    unanswered: int = 0
    oddities: Counter[str] = field(default_factory=Counter)

    def work(self, stopped: threading.Event) -> None:
        """Until `stopped`; runs in a thread of its own."""
        with self.gateway.client(self.uri) as http:
            while not stopped.is_set():
                try:
                    answer = http.post("/v1/decisions", json=self._question())
                except httpx.TransportError as error:
                    self.unanswered += not isinstance(error, httpx.ConnectError)
                    stopped.wait(0.05)
                else:
                    self._keep(answer)

    def _question(self) -> dict[str, object]:
        """Mostly known classes, sometimes a new one: then evaluations are appended besides."""
        names = [f"log-shipper-{self.randomness.randrange(40)}" for _ in range(3)]
        if self.randomness.random() < 0.2:
            names.append(f"update-agent-{self.randomness.randrange(10**9)}")
        return proposals([*names, "payment-gateway-eu"])

    def _keep(self, answer: httpx.Response) -> None:
        if answer.status_code != httpx.codes.OK:
            self.oddities[f"{answer.status_code} {answer.text[:200]}"] += 1
            return
        body = answer.json()
        self.answers += 1
        self.held += [(e["index"], bytes.fromhex(e["leaf_hash"])) for e in body["entries"]]
        if not body["entries"]:
            self.oddities["an answer names no entry"] += 1
        if body["checkpoint"] is not None:
            checkpoint = open_checkpoint(body["checkpoint"], self.verifier)
            if self.newest is None or checkpoint.size > self.newest.size:
                self.newest = checkpoint


@dataclass
class Findings:
    """What the log in `database` says of the clients' answers."""

    word: Word
    sentence: str
    entries: int
    anchored: int
    missing: list[int]
    different: list[int]

    @property
    def holds(self) -> bool:
        return self.word in (Word.OK, Word.OK_UNSEALED) and not self.missing + self.different


def compare(database: Path, clients: list[Client]) -> Findings:
    """Verify the log with every client's newest checkpoint; look every answered entry up."""
    anchors = [client.newest for client in clients if client.newest is not None]
    verifier = clients[0].verifier
    with SqliteSource(database) as source:
        verdict = verify_log(source, source.origin, verifier, anchors)
        stored = {row[0]: row[2] for batch in source.entries() for row in batch}
    held = [pair for client in clients for pair in list(client.held)]
    missing = [index for index, _ in held if index not in stored]
    different = [i for i, leaf in held if i in stored and stored[i] != leaf]
    return Findings(
        verdict.word, verdict.sentence, len(stored), verdict.anchored, missing, different
    )


@pytest.mark.timeout(180 + 20 * KILLS)
def test_every_answer_stands_in_the_log_whenever_the_gateway_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("GATEWAY_KILLS_SEED", secrets.randbelow(2**32)))
    _say(f"GATEWAY_KILLS={KILLS} GATEWAY_KILLS_SEED={seed}")
    randomness = random.Random(seed)
    gateway = LiveGateway.make(tmp_path / "place")
    clients = [
        Client(
            gateway,
            gateway.collector(f"collector-{n + 1}"),
            gateway.verifier,
            random.Random(seed + n),
        )
        for n in range(CLIENTS)
    ]
    database = gateway.workplace.database
    early = tmp_path / "early.db"
    died_starting = 0
    try:
        for round_number in range(KILLS):
            is_between = 0 < round_number < KILLS - 1  # the first and last have their answers
            is_before_ready = is_between and randomness.random() < BEFORE_READY
            died_starting += is_before_ready
            _one_life(gateway, clients, randomness, is_before_ready=is_before_ready)
            found = compare(database, clients)
            assert found.holds, f"seed {seed}, kill {round_number + 1}: {found}"
            assert found.anchored == max(c.newest.size for c in clients if c.newest)
            if round_number == 0:
                _copy(database, early)
    finally:
        end(gateway)
    answers, held = sum(c.answers for c in clients), sum(len(c.held) for c in clients)
    unanswered = sum(c.unanswered for c in clients)
    _say(
        f"{KILLS} kills ({died_starting} while starting), {answers} answers held naming {held} "
        f"entries, {unanswered} requests cut off, {found.entries} entries in the log, "
        f"{len(found.missing)} missing, {len(found.different)} different: {found.word}"
    )
    assert not sum((c.oddities for c in clients), Counter()), [c.oddities for c in clients]
    assert all(client.answers for client in clients)
    _assert_oracle_sees(early, clients)


def _one_life(
    gateway: LiveGateway,
    clients: list[Client],
    randomness: random.Random,
    *,
    is_before_ready: bool,
) -> None:
    """One gateway under all clients, from its start to its SIGKILL."""
    stopped = threading.Event()
    threads = [threading.Thread(target=client.work, args=(stopped,)) for client in clients]
    if is_before_ready:
        gateway.begin()
    else:
        gateway.start()
    before = [client.answers for client in clients]
    for thread in threads:
        thread.start()
    try:
        if not is_before_ready:
            _await_first_answers(clients, before)  # no such kill must find empty hands
        time.sleep(randomness.uniform(0.0, LIFE_SECONDS))
        assert gateway.running.poll() is None, gateway.last_words()
        gateway.kill()
    finally:
        stopped.set()
        for thread in threads:
            thread.join(60)


def _await_first_answers(clients: list[Client], before: list[int]) -> None:
    """The very first time from each client, then from any."""
    deadline = time.monotonic() + 60
    found = all if not any(before) else any
    pairs = list(zip(clients, before, strict=True))
    while not found(c.newest is not None and c.answers > number for c, number in pairs):
        assert time.monotonic() < deadline, [client.oddities for client in clients]
        time.sleep(0.02)


def _assert_oracle_sees(early: Path, clients: list[Client]) -> None:
    """The comparison finds an older copy of the log out: it can fail."""
    found = compare(early, clients)
    assert found.word is Word.ROLLBACK, found
    assert found.missing
    assert not found.different


def _copy(database: Path, target: Path) -> None:
    """A whole copy of a database whose write-ahead log was left behind."""
    scratch = target.with_suffix(".scratch")
    shutil.copy2(database, scratch)
    for ending in ("-wal", "-shm"):
        beside = database.with_name(database.name + ending)
        if beside.exists():
            shutil.copy2(beside, scratch.with_name(scratch.name + ending))
    with sqlite3.connect(scratch) as source, sqlite3.connect(target) as sink:
        source.backup(sink)
    source.close()
    sink.close()


def _say(line: str) -> None:
    """For pytest to show with a failure, or with -s."""
    sys.stdout.write(f"{line}\n")
