"""A real `gateway serve` with its real OPA over mutual TLS, in a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import SystemClock
from gateway.demo.workplace import OPERATOR, REGION, TRUST_DOMAIN, Workplace, make_workplace
from gateway.identity.authority import issue
from gateway.identity.tls import client_context
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.entry import Entry, leaf_hash, parse_entry
from gateway.transparency.notes import Verifier
from gateway.transparency.sqlite_source import SqliteSource

START_SECONDS = 60.0  # other work may hold the machine
STOP_SECONDS = 40.0
OPERATOR_URI = f"{OPERATOR}/operator-1"
# Python's ssl leaves a socket open whose peer died between connecting and the handshake: a test
# that kills gateways under load meets that.
RESET_BEFORE_HANDSHAKE = (
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)


def script(name: str, *arguments: str) -> list[str]:
    """The command line of a console script of this installation."""
    entry = f"import sys; sys.argv[0] = {name!r}; from {name}.cli import main; sys.exit(main())"
    return [sys.executable, "-c", entry, *arguments]


def run(name: str, *arguments: str, seconds: float = 90.0) -> subprocess.CompletedProcess[str]:
    """Run a console script to its end."""
    return subprocess.run(
        script(name, *arguments),
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@dataclass
class LiveGateway:
    """A workplace and a gateway process in it. `start` and `kill` may alternate."""

    workplace: Workplace
    name: str = "gateway"  # of its settings and output; another is another process beside it
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @classmethod
    def make(cls, folder: Path) -> "LiveGateway":
        """A new trust domain with its configurations; nothing is started."""
        return cls(make_workplace(folder, SystemClock()))

    def beside(self, name: str) -> "LiveGateway":
        """Another gateway with a certificate and port of its own, on the same database."""
        self.enrol(f"gateway/{name}")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        text = self.settings.read_text(encoding="utf-8")
        text = text.replace(f"port: {self.workplace.port}}}", f"port: {port}}}")
        for path in self.workplace.subject(self.uri):
            text = text.replace(path.name, path.name.replace("gateway-1", name))
        other = LiveGateway(replace(self.workplace, port=port), name)
        other.settings.write_text(text, encoding="utf-8")
        return other

    @property
    def uri(self) -> str:
        """Its own SPIFFE id."""
        name = "gateway-1" if self.name == "gateway" else self.name
        return f"spiffe://{TRUST_DOMAIN}/gateway/{name}"

    @property
    def settings(self) -> Path:
        """Its gateway.yaml."""
        return self.workplace.folder / f"{self.name}.yaml"

    @property
    def output(self) -> Path:
        """What the gateways wrote to standard output and error."""
        return self.workplace.folder / f"{self.name}.log"

    def set(self, old: str, new: str) -> None:
        """Change its settings, before it starts."""
        text = self.settings.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {self.settings}"
        self.settings.write_text(text.replace(old, new), encoding="utf-8")

    @property
    def verifier(self) -> Verifier:
        """The log's key."""
        return Verifier.from_vkey(self.workplace.log_key.read_text(encoding="utf-8"))

    @property
    def running(self) -> "subprocess.Popen[bytes]":
        """The process; fails the test when there is none."""
        assert self.process is not None, "the gateway was not started"
        return self.process

    def begin(self) -> None:
        """Start the process without waiting for it."""
        with self.output.open("ab") as sink:
            self.process = subprocess.Popen(
                script("gateway", "serve", "--config", str(self.settings)),
                stdout=sink,
                stderr=sink,
                stdin=subprocess.DEVNULL,
            )

    def start(self) -> None:
        """Start the process and wait until /readyz is 200."""
        self.begin()
        with self.client(OPERATOR_URI) as client:
            self.await_status(client, "/readyz", httpx.codes.OK)

    def await_status(
        self, client: httpx.Client, path: str, status: int, seconds: float = START_SECONDS
    ) -> httpx.Response:
        """Ask until the answer has this status."""
        deadline = time.monotonic() + seconds
        last = "no answer"
        while time.monotonic() < deadline:
            assert self.running.poll() is None, self.last_words()
            try:
                answer = client.get(path)
            except httpx.TransportError as error:
                last = repr(error)
            else:
                if answer.status_code == status:
                    return answer
                last = f"{answer.status_code} {answer.text}"
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status} in {seconds} s; last: {last}")

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.running.kill()
        self.running.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.running.terminate()
        return self.running.wait(STOP_SECONDS)

    def last_words(self) -> str:
        """The end of what the gateways wrote."""
        return self.output.read_text(encoding="utf-8", errors="replace")[-1500:]

    def collector(self, name: str, environment: str = "production", region: str = REGION) -> str:
        """The URI of a collector, to which a certificate is given the first time."""
        return self.enrol(f"collector/{environment}/{region}/{name}")

    def enrol(self, path: str) -> str:
        """The URI of anybody, to whom a certificate is given the first time."""
        uri = f"spiffe://{TRUST_DOMAIN}/{path}"
        if not self.workplace.subject(uri)[0].exists():
            issue(self.workplace.folder / "keys", uri, 30, SystemClock())
        return uri

    def client(self, uri: str, seconds: float = 30.0) -> httpx.Client:
        """An HTTP client that shows the certificate of `uri`."""
        certificate, key = self.workplace.subject(uri)
        context = client_context(certificate, key, self.workplace.folder / "keys" / "ca.pem")
        return httpx.Client(
            base_url=self.workplace.url, verify=context, trust_env=False, timeout=seconds
        )

    def children(self) -> list[int]:
        """The process ids of the gateway's children: its OPA."""
        path = Path(f"/proc/{self.running.pid}/task")
        found: list[int] = []
        for task in path.iterdir():
            found += [int(pid) for pid in (task / "children").read_text().split()]
        return found

    def entries(self) -> list[Entry]:
        """The log as it lies in the database, parsed."""
        with SqliteSource(self.workplace.database) as source:
            rows = [row for batch in source.entries() for row in batch]
        return [parse_entry(data) for _, data, _ in rows if isinstance(data, bytes)]

    def leaves(self) -> dict[int, bytes]:
        """The leaf hashes of the entries' bytes, by index."""
        with SqliteSource(self.workplace.database) as source:
            rows = [row for batch in source.entries() for row in batch]
        return {
            seq: leaf_hash(data)
            for seq, data, _ in rows
            if isinstance(seq, int) and isinstance(data, bytes)
        }

    def checkpoint(self, client: httpx.Client) -> Checkpoint:
        """The newest checkpoint, opened with the log's key."""
        answer = client.get("/v1/checkpoint")
        assert answer.status_code == httpx.codes.OK, answer.text
        return open_checkpoint(answer.text, self.verifier)


@contextmanager
def live_gateway(folder: Path) -> Iterator[LiveGateway]:
    """A started gateway, killed at the end if it still runs."""
    gateway = LiveGateway.make(folder)
    try:
        gateway.start()
        yield gateway
    finally:
        end(gateway)


def end(gateway: LiveGateway) -> None:
    """Leave no process behind; a stopped (SIGSTOP) one is let go first."""
    if gateway.process is not None and gateway.process.poll() is None:
        gateway.process.send_signal(signal.SIGCONT)
        gateway.process.kill()
        gateway.process.wait(STOP_SECONDS)


def proposals(names: Sequence[str], action: str = "drop") -> dict[str, Any]:
    """A decision request for processes with these names."""
    return {
        "proposals": [
            {
                "ref": f"{place}:{name}",
                "process": {
                    "process.executable.name": name,
                    "process.executable.path": f"/usr/bin/{name}",
                    "compliance.process.identity": name,
                    "compliance.process.identity_source": "executable",
                },
                "action": action,
                "score": 0.1,
                "profile": "balanced",
                "scorer": "patterns/1",
                "why": "edge_optional",
            }
            for place, name in enumerate(names)
        ]
    }


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
