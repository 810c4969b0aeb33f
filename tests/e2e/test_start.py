"""What stops `gateway serve` before a port opens, and how another policy comes into force."""

import json
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli import main
from gateway.demo.workplace import COLLECTOR
from tests.fakes.bundles import signed_archive, small_bundle
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, end, run

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(240)]
WHY = ("--justification", "a rule was added", "--approval-id", "CHG-42")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """A log with a first activation. Not running."""
    made = LiveGateway.make(tmp_path_factory.mktemp("start") / "place")
    made.start()
    assert made.stop() == 0
    try:
        yield made
    finally:
        end(made)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("listen: {", "listen: {backlog: 5, ", "listen"),
        ("trust_domain:", "colour: red\ntrust_domain:", "colour"),
        ("keys/ca.pem", "keys/absent.pem", "absent.pem"),
        ("floor: floor.note", "floor: absent.note", "absent.note"),
        ("keys/checkpoint.key", "keys/absent.key", "absent.key"),
        ("keys/age.txt", "keys/absent.txt", "absent.txt"),
        ("keys/bundle.pub", "keys/absent.pub", "absent.pub"),
        ("keys/bundle.pub", "keys/floor.vkey", "no public key in PEM"),
        ("port: ", "port: eighty", "listen.port"),
        ("tls:", "tls: [", "bad.yaml:6:6: not YAML"),
    ],
)
def test_bad_configuration_stops_the_start(
    gateway: LiveGateway,
    old: str,
    new: str,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = gateway.workplace.gateway_yaml
    bad = good.with_name("bad.yaml")
    text = good.read_text(encoding="utf-8")
    assert old in text
    bad.write_text(text.replace(old, new, 1), encoding="utf-8")
    # In this process: a start of Python for each of these would be most of the tests' time.
    arguments = ["gateway", "serve", "--config", str(bad)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr()
    assert isinstance(left.value.code, int)
    assert_refused(
        subprocess.CompletedProcess(arguments, left.value.code, told.out, told.err), named
    )


def test_absent_configuration_stops_the_start(tmp_path: Path) -> None:
    done = run("gateway", "serve", "--config", str(tmp_path / "absent.yaml"))
    assert_refused(done, "absent.yaml")


def test_taken_port_stops_the_start(gateway: LiveGateway) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", gateway.workplace.port))
        other.listen()
        done = run("gateway", "serve", "--config", str(gateway.workplace.gateway_yaml))
    assert_refused(done, f"127.0.0.1:{gateway.workplace.port} cannot be listened on")


@pytest.mark.parametrize("kind", ["folder", "unsigned", "wrong key", "cut"])
def test_a_new_log_begins_only_with_a_signed_bundle(tmp_path: Path, kind: str) -> None:
    made = LiveGateway.make(tmp_path / "place")
    archive = made.workplace.folder / "bundle.tar.gz"
    if kind == "folder":
        archive.unlink()
        archive.mkdir()
    elif kind == "unsigned":
        archive.write_bytes(small_bundle().archive)
    elif kind == "wrong key":
        archive.write_bytes(signed_archive())
    else:
        archive.write_bytes(archive.read_bytes()[:-100])
    done = run("gateway", "serve", "--config", str(made.workplace.gateway_yaml))
    expected = {
        "folder": "gateway policy build",
        "unsigned": "not signed",
        "wrong key": "author",
        "cut": "bundle.tar.gz: the archive is truncated",
    }
    assert_refused(done, expected[kind])
    assert not any(entry.type == "bundle.activated" for entry in made.entries())


def test_another_seed_changes_nothing_once_a_bundle_is_in_force(gateway: LiveGateway) -> None:
    """The configuration's bundle is what a new log begins with; later ones are staged."""
    before = gateway.workplace.folder / "bundle.tar.gz"
    content = before.read_bytes()
    before.write_bytes(b"anything")
    try:
        gateway.start()
        assert gateway.stop() == 0
    finally:
        before.write_bytes(content)
    assert _activations(gateway) == 1


def test_another_floor_needs_a_record_and_may_only_add(gateway: LiveGateway) -> None:
    """Its steps build on each other: one that loses a row, one that adds one."""
    settings = gateway.workplace.gateway_yaml
    note = gateway.workplace.folder / "floor.note"
    before = note.read_bytes()
    _sign_floor(gateway, "version: 2\nrows: []\n")
    assert_refused(run("gateway", "serve", "--config", str(settings)), "not the floor file")
    assert_refused(activate(settings), "would lose demo-ledger")
    assert_refused(activate(settings, "--justification", " ", "--approval-id", "X"), "required")
    assert activate(settings, "--approval-id", "CHG-42").returncode == 2
    assert _activations(gateway) == 1

    note.write_bytes(before)
    rows = json.loads(before.decode().split("\n")[2])
    more = {"id": "more", "glob": "more-*", "control": "BASELINE/x", "reason": "a new service"}
    _sign_floor(gateway, json.dumps({"version": 3, "rows": [*rows, more]}))
    done = activate(settings)
    assert done.returncode == 0, done.stderr
    change = [entry for entry in gateway.entries() if entry.type == "bundle.activated"][-1]
    told = change.body["change"]
    assert isinstance(told, dict)
    assert (told["justification"], told["approval_id"]) == ("a rule was added", "CHG-42")
    assert told["change_type"] == "floor.activate"
    assert told["previous_value"] != told["new_value"]
    gateway.start()
    with gateway.client(OPERATOR_URI) as operator:
        assert operator.get("/v1/policy").json()["activation"] == change.seq
    assert gateway.stop() == 0


def test_a_deleted_journal_row_is_seen(gateway: LiveGateway) -> None:
    settings = gateway.workplace.gateway_yaml
    with closing(sqlite3.connect(gateway.workplace.database)) as connection:
        kept = connection.execute("SELECT * FROM journal ORDER BY seq").fetchall()
        with connection:
            connection.execute("DELETE FROM journal WHERE seq = ?", (kept[0][1],))
        assert_refused(run("gateway", "serve", "--config", str(settings)), "journal")
        with connection:
            connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", kept[0])
    gateway.start()
    assert gateway.stop() == 0


def test_the_newest_journal_row_deleted_at_rest_ends_all_dropping(gateway: LiveGateway) -> None:
    """Everything is signed, so the start believes the older state, until the whole log is read."""
    note = gateway.workplace.folder / "floor.note"
    now = note.read_bytes()
    with closing(sqlite3.connect(gateway.workplace.database)) as connection:
        newest = connection.execute("SELECT * FROM journal ORDER BY seq DESC").fetchone()
        first = next(one for one in gateway.entries() if one.type == "bundle.activated")
        [before] = connection.execute(
            "SELECT archive FROM bundles WHERE hash = ?", (first.body["floor_note"],)
        ).fetchone()
        with connection:
            connection.execute("DELETE FROM journal WHERE seq = ?", (newest[1],))
        note.write_bytes(before)
        try:
            gateway.begin()
            with gateway.client(OPERATOR_URI) as operator:
                answer = gateway.await_status(operator, "/readyz", HTTPStatus.SERVICE_UNAVAILABLE)
            assert "journal" in answer.text
            with gateway.client(COLLECTOR) as collector:
                told = _ask_until_kept(collector)
            assert told["verdicts"][0]["effect"] == "fail_safe"
            assert told["verdicts"][0]["lease"] is None
            assert gateway.stop() == 0
        finally:
            note.write_bytes(now)
            with connection:
                marks = ", ".join("?" for _ in newest)
                connection.execute(f"INSERT INTO journal VALUES ({marks})", newest)
    gateway.start()
    assert gateway.stop() == 0


def _ask_until_kept(collector: httpx.Client) -> dict[str, Any]:
    """The follower looks twice a second; what is answered before is answered by the older state."""
    proposal = {
        "ref": "1",
        "process": {
            "process.executable.name": "log-shipper",
            "compliance.process.identity": "log-shipper",
            "compliance.process.identity_source": "executable",
        },
        "action": "drop",
        "score": 0.1,
    }
    for _ in range(20):
        answer = collector.post("/v1/decisions", json={"proposals": [proposal]})
        told: dict[str, Any] = answer.json()
        if told["verdicts"][0]["effect"] == "fail_safe":
            break
        time.sleep(0.2)
    return told


def activate(settings: Path, *why: str) -> subprocess.CompletedProcess[str]:
    """`gateway policy activate`, with a reason unless told which."""
    return run("gateway", "policy", "activate", "--config", str(settings), *(why or WHY))


def assert_refused(done: subprocess.CompletedProcess[str], named: str) -> None:
    """Exit 2, one sentence that names the place, no port, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "listening" not in done.stderr + done.stdout
    assert done.stderr.startswith("gateway: ")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def _sign_floor(gateway: LiveGateway, rows: str) -> None:
    folder = gateway.workplace.folder
    (folder / "rows.yaml").write_text(rows, encoding="utf-8")
    done = run(
        "gateway", "policy", "sign-floor", str(folder / "rows.yaml"),
        "--key", str(folder / "keys" / "floor.key"), "--trust-domain", "demo.example",
        "--out", str(folder / "floor.note"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _activations(gateway: LiveGateway) -> int:
    return sum(entry.type == "bundle.activated" for entry in gateway.entries())
