"""The database is destroyed: put back whole from the archive, or closed by two people and
succeeded; a collector that kept a checkpoint holds the gateway to it all the while."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.demo.workplace import ORIGIN
from gateway.errors import GatewayError
from gateway.transparency.sqlite_source import SqliteSource
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, end, proposals, run

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(400)]

NEW = f"{ORIGIN}~2"
CAROL, DAVE = "spiffe://demo.example/operator/carol", "spiffe://demo.example/approver/dave"
DROPPABLE = "log-shipper-disaster"  # the demo's policies let its points be dropped


@pytest.fixture
def site(tmp_path: Path) -> Iterator["Site"]:
    made = Site(tmp_path / "place")
    try:
        with process_named(tmp_path, DROPPABLE):
            yield made
    finally:
        end(made.gateway)


class Site:
    """A gateway, its collector, a backup from the middle of the log's life."""

    def __init__(self, folder: Path) -> None:
        self.gateway = LiveGateway.make(folder)
        self.folder = folder
        self.database = self.gateway.workplace.database
        self.backup = Path()

    @property
    def kept(self) -> Path:
        """The checkpoint that the collector keeps."""
        return self.gateway.workplace.checkpoint

    def live(self) -> None:
        """Decisions, a backup, more decisions; the collector has seen the last of them."""
        self.gateway.start()
        self.decide("before")
        self.collect()
        shutil.copy(self.kept, self.folder / "early")
        made = self.tell("backup", str(self.folder / "backups"), "--region", "eu-west-1")
        self.backup = Path(made["folder"])
        self.decide("after")
        self.collect()
        assert self.gateway.stop() == 0

    def decide(self, name: str) -> None:
        with self.gateway.client(self.gateway.collector("collector-2")) as client:
            for number in range(3):
                answer = client.post("/v1/decisions", json=proposals([f"{name}-{number}"]))
                assert answer.status_code == httpx.codes.OK, answer.text

    def collect(self, *, holds: bool = True) -> list[dict[str, Any]]:
        """Two cycles of the collector: a process's first sample is always kept."""
        settings = str(self.gateway.workplace.collector_yaml)
        done = run(
            "collector", "run", "--config", settings, "--cycles", "2", "--interval", "0.5", "--json"
        )
        assert (done.returncode == 0) is holds, done.stdout + done.stderr
        return list(documents(done.stdout))

    def destroy(self) -> None:
        for path in self.database.parent.glob(f"{self.database.name}*"):
            path.unlink()

    def command(self, *arguments: str) -> Result:
        """A command with the gateway's settings, in this process: it is much quicker."""
        return gateway_command(*arguments, "--config", str(self.gateway.settings))

    def tell(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self.command(*arguments, "--json")
        assert done.exit_code == code, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def restore(self, *more: str, code: int = 0) -> dict[str, Any]:
        return self.tell("restore", str(self.backup), "--justification", "burnt", *more, code=code)

    def refuses_to_start(self) -> str:
        with pytest.raises(GatewayError) as refusal:
            self.command("serve")
        return str(refusal.value)

    def verify(self, log: str, key: Path, anchor: Path) -> dict[str, Any]:
        done = gateway_command(
            "audit", "verify", str(self.database), "--log", log, "--key", str(key),
            "--checkpoint", str(anchor), "--json",
        )  # fmt: skip
        told: dict[str, Any] = json.loads(done.stdout)
        assert done.exit_code == 0, told
        return told

    def signed(self, log: str = ORIGIN) -> int:
        """How many entries are signed."""
        with SqliteSource(self.database, log) as source:
            return max(size for size, _, _ in source.checkpoints() if isinstance(size, int))


def test_all_is_recovered_from_the_archive(site: Site) -> None:
    site.live()
    assert site.command("audit", "archive", "--now").exit_code == 0
    kept = site.folder / "kept-before"
    shutil.copy(site.kept, kept)
    site.destroy()
    assert "0 entries here" in site.refuses_to_start()
    site.destroy()  # an empty one was made
    told = site.restore("--checkpoint", str(kept))
    assert told["lost"] is None
    assert told["recovered"]["last"] > told["recovered"]["first"] > 0
    site.gateway.start()
    cycles = site.collect()
    assert all(cycle["evidence_failure"] is None for cycle in cycles)
    assert sum(cycle["points"]["dropped"] for cycle in cycles) > 0
    assert site.gateway.stop() == 0
    assert "log.restored" in [entry.type for entry in site.gateway.entries()]
    verdict = site.verify(ORIGIN, site.gateway.workplace.log_key, kept)
    assert verdict["verdict"] == "OK"
    assert all("LOST" in remark for remark in verdict["remarks"])


def test_without_an_archive_the_log_is_closed_and_succeeded(site: Site) -> None:
    forget_archive(site)
    site.live()
    site.destroy()
    assert site.restore()["seen"] == []  # nobody outside was asked
    signed = site.signed()
    site.gateway.set("hearing_seconds: 0 ", "hearing_seconds: 600 ")
    hears_the_collector_before_it_signs(site, signed)
    # The collector's checkpoint tells what is lost; then nothing starts that knows of it.
    lost = site.restore("--replace", "--checkpoint", str(site.kept), code=1)["lost"]
    assert lost["first"] == signed
    site.gateway.set("hearing_seconds: 600 ", f'kept_checkpoints: ["{site.kept}"] ')
    assert "gateway restore" in site.refuses_to_start()
    old = close_and_succeed(site, lost)
    site.gateway.start()
    cycles = site.collect()
    told = f"LOST {lost['first']}..{lost['last']}"
    assert told in cycles[0]["problems"][0]
    assert all(cycle["evidence_failure"] is None for cycle in cycles)
    assert cycles[-1]["points"]["dropped"] > 0
    assert site.gateway.stop() == 0
    verdict = site.verify(NEW, site.folder / "checkpoint-2.vkey", site.kept)
    assert verdict["verdict"] == "OK"
    assert told in verdict["remarks"][0]
    verdict = site.verify(ORIGIN, site.gateway.workplace.log_key, site.folder / "early")
    assert verdict["verdict"] in ("OK", "OK_UNSEALED")
    site.gateway.settings.write_text(old, encoding="utf-8")
    assert f"log {NEW} succeeds it" in site.refuses_to_start()


def forget_archive(site: Site) -> None:
    settings = site.gateway.settings
    lines = settings.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("archive:")]
    settings.write_text("\n".join(kept) + "\n", encoding="utf-8")


def hears_the_collector_before_it_signs(site: Site, signed: int) -> None:
    site.gateway.begin()
    with site.gateway.client(OPERATOR_URI) as operator:
        site.gateway.await_status(operator, "/readyz", httpx.codes.OK)
        assert site.gateway.checkpoint(operator).size == signed
        site.collect(holds=False)
        answer = site.gateway.await_status(
            operator, "/readyz", httpx.codes.SERVICE_UNAVAILABLE, seconds=20
        )
        assert "holds a signed checkpoint" in answer.json()["causes"]["log"]
        assert site.gateway.checkpoint(operator).size == signed
    assert site.gateway.stop() == 0
    assert site.signed() == signed


def close_and_succeed(site: Site, lost: dict[str, int]) -> str:
    """The settings before; those of the new log are in place."""
    folder, statement = site.folder, str(site.folder / "statement.note")
    done = site.command(
        "restore", "close", "--reason", "the disk burnt",
        "--lost", f"{lost['first']}-{lost['last']}", "--checkpoint", str(site.kept),
        "--new-key", str(folder / "checkpoint-2.key"), "--out", statement,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    for uri in (CAROL, DAVE):
        key = str(folder / f"{uri.rpartition('/')[2]}.key")
        done = gateway_command("keys", "succession-key", "--as", uri, "--out", key)
        assert done.exit_code == 0, done.output
        done = gateway_command("restore", "sign", statement, "--key", key, "--as", uri)
        assert done.exit_code == 0, done.output
    old = site.gateway.settings.read_text(encoding="utf-8")
    site.gateway.set(f"origin: {ORIGIN}", f"origin: {NEW}")
    site.gateway.set("checkpoint_key: keys/checkpoint.key", "checkpoint_key: checkpoint-2.key")
    site.gateway.set(
        f'kept_checkpoints: ["{site.kept}"] ',
        "hearing_seconds: 0\n  succession_keys: [carol.vkey, dave.vkey] ",
    )
    done = site.command("restore", "succeed", statement)
    assert done.exit_code == 0, done.output
    collector = site.gateway.workplace.collector_yaml
    text = collector.read_text(encoding="utf-8")
    people = "  key: keys/checkpoint.vkey\n  succession_keys: [carol.vkey, dave.vkey]\nstate:"
    assert "  key: keys/checkpoint.vkey\nstate:" in text
    collector.write_text(
        text.replace("  key: keys/checkpoint.vkey\nstate:", people), encoding="utf-8"
    )
    return old


def gateway_command(*arguments: str) -> Result:
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def documents(text: str) -> Iterator[dict[str, Any]]:
    """JSON documents one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        document, at = decoder.raw_decode(text, at)
        yield document
        at += len(text[at:]) - len(text[at:].lstrip())


@contextmanager
def process_named(folder: Path, name: str) -> Iterator[None]:
    """A process of this name, for the collector to see."""
    program = folder / name
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "3600"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
