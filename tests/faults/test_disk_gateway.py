"""The real gateway on a failing disk: killed at writes of its own, full, read-only. Whatever a
client was answered stands, and a stranger verifies it.

`DISK_KILLS` is the number of kills, `DISK_SEED` repeats a run.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EROFS
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.transparency.sqlite_source import SqliteSource
from tests.fakes.disk_sweep import seeded
from tests.fakes.failing_disk import CHANGES, FailingDisk, Fault, Kind, Mode, why_not
from tests.fakes.live_gateway import (
    OPERATOR_URI,
    RESET_BEFORE_HANDSHAKE,
    LiveGateway,
    end,
    proposals,
    run,
)

KILLS = int(os.environ.get("DISK_KILLS", "1"))
KILLED = (Mode.KILL_BEFORE, Mode.KILL_AFTER, Mode.TORN)
STARTING_CALLS, WORKING_CALLS = 12, 80
DEADLINE_SECONDS = 60.0

pytestmark = [
    pytest.mark.opa,
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.filterwarnings(RESET_BEFORE_HANDSHAKE),
    pytest.mark.timeout(180 + 30 * KILLS),
]


@dataclass
class Client:
    """Asks one question after the other and keeps every answer."""

    gateway: LiveGateway
    uri: str
    held: dict[int, bytes] = field(default_factory=dict)
    note: str = ""
    asked: int = 0

    def ask(self, http: httpx.Client) -> httpx.Response:
        """One question, in which one process is new."""
        self.asked += 1
        answer = http.post(
            "/v1/decisions", json=proposals(["log-shipper", f"update-agent-{self.asked}"])
        )
        if answer.status_code == httpx.codes.OK:
            body = answer.json()
            for entry in body["entries"]:
                leaf = bytes.fromhex(entry["leaf_hash"])
                assert self.held.setdefault(entry["index"], leaf) == leaf, "a place was given twice"
            self.note = body["checkpoint"] or self.note
        return answer

    def ask_until_it_is_dead(self) -> None:
        """Until the gateway's process has ended."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with self.gateway.client(self.uri) as http:
            while self.gateway.running.poll() is None:
                assert time.monotonic() < deadline, "the planned kill never came"
                try:
                    self.ask(http)
                except httpx.TransportError:
                    time.sleep(0.05)

    def ask_until(self, status: int) -> httpx.Response:
        """Until the answer has this status."""
        with self.gateway.client(self.uri) as http:
            for _ in range(200):
                answer = self.ask(http)
                if answer.status_code == status:
                    return answer
        raise AssertionError(answer.text)


@contextmanager
def processes_on(disk: FailingDisk) -> Iterator[None]:
    """What is started inside runs on the disk."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in disk.environment.items():
            patched.setenv(name, value)
        yield


def assert_stands(client: Client, database: Path) -> None:
    with SqliteSource(database) as source:
        stored = {row[0]: row[2] for batch in source.entries() for row in batch}
    for seq, leaf in client.held.items():
        assert stored.get(seq) == leaf, f"answered entry {seq}"


def assert_verifies(client: Client, database: Path, anchor: Path) -> None:
    """By a stranger's command, with what the client holds."""
    anchor.write_text(client.note, encoding="utf-8")
    key = str(client.gateway.workplace.log_key)
    asked = ["audit", "verify", str(database), "--key", key, "--checkpoint", str(anchor)]
    done = run("gateway", *asked)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_clients_were_answered_stands_on_a_disk_that_fails(tmp_path: Path) -> None:
    randomness = seeded("gateway")
    gateway = LiveGateway.make(tmp_path / "place")
    data = gateway.workplace.folder / "data"
    data.mkdir(mode=0o700)
    gateway.set("sqlite:///log.db", "sqlite:///data/log.db")
    disk = FailingDisk(data, tmp_path / "machinery")
    client = Client(gateway, gateway.collector("collector-1"))
    try:
        with processes_on(disk):
            gateway.start()
            client.ask_until(httpx.codes.OK)
        for number in range(KILLS):
            _kill_at_a_write(client, disk, randomness, is_starting=number % 2 == 1)
            assert_stands(client, data / "log.db")
        disk.levers.heal()
        with processes_on(disk):
            gateway.start()
        _trouble(client, disk)
        assert gateway.stop() == 0, gateway.last_words()
        assert_stands(client, data / "log.db")
        assert_verifies(client, data / "log.db", tmp_path / "anchor")
    finally:
        end(gateway)
        disk.close()


def _kill_at_a_write(
    client: Client, disk: FailingDisk, randomness: random.Random, *, is_starting: bool
) -> None:
    """One of the gateway's next writes is its last."""
    gateway = client.gateway
    ahead = randomness.randint(1, STARTING_CALLS if is_starting else WORKING_CALLS)
    disk.levers.heal()
    if gateway.running.poll() is not None and not is_starting:
        with processes_on(disk):
            gateway.start()
    disk.levers.plan(Fault(randomness.choice(KILLED), disk.levers.number + ahead))
    if is_starting:
        with processes_on(disk):
            gateway.begin()
    client.ask_until_it_is_dead()
    assert gateway.running.returncode == -signal.SIGKILL, gateway.last_words()


def _trouble(client: Client, disk: FailingDisk) -> None:
    """Full, then read-only: 503, and verdicts again as soon as it can be written."""
    levers = disk.levers
    troubles: tuple[Callable[[], None], ...] = (
        partial(levers.leave_room, 30_000),
        partial(levers.fail, EROFS, CHANGES | Kind.OPEN),
    )
    for begin in troubles:
        client.ask_until(httpx.codes.OK)
        begin()
        answer = client.ask_until(httpx.codes.SERVICE_UNAVAILABLE)
        assert answer.json()["type"].endswith(":log-unavailable"), answer.text
        with client.gateway.client(OPERATOR_URI) as operator:
            client.gateway.await_status(operator, "/readyz", httpx.codes.SERVICE_UNAVAILABLE)
            levers.heal()
            client.gateway.await_status(operator, "/readyz", httpx.codes.OK)
        client.ask_until(httpx.codes.OK)
