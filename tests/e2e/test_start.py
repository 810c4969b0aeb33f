"""What stops `gateway serve` before a port opens, and how another policy comes into force."""

import json
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli import main
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, end, run

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(240)]
WHY = ("--justification", "a rule was added", "--approval-id", "CHG-42")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """A log with a first activation; its bundle is a copy in its own folder. Not started."""
    made = LiveGateway.make(tmp_path_factory.mktemp("start") / "place")
    settings = made.workplace.gateway_yaml
    text = settings.read_text(encoding="utf-8")
    real = text.partition('bundle: "')[2].partition('"')[0]
    shutil.copytree(real, made.workplace.folder / "policies")
    settings.write_text(text.replace(f'bundle: "{real}"', "bundle: policies"), encoding="utf-8")
    done = activate(settings)
    assert done.returncode == 0, done.stderr
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
        ("bundle: policies", "bundle: absent", "absent"),
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


def test_another_bundle_needs_a_version_and_a_record(gateway: LiveGateway) -> None:
    """Its steps build on each other: changed, refused, raised, refused without a reason, active."""
    settings = gateway.workplace.gateway_yaml
    bundle = gateway.workplace.folder / "policies"
    rule = next(path for path in sorted(bundle.rglob("*.rego")) if "_test" not in path.name)
    rule.write_text(rule.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert_refused(run("gateway", "serve", "--config", str(settings)), "not what is in force")
    assert_refused(activate(settings), "is not newer than 1")
    _raise_version(bundle)
    assert_refused(activate(settings, "--justification", " ", "--approval-id", "X"), "required")
    without = activate(settings, "--approval-id", "CHG-42")
    assert without.returncode == 2
    assert "--justification" in without.stderr
    assert _activations(gateway) == 1
    done = activate(settings)
    assert done.returncode == 0, done.stderr
    change = [entry for entry in gateway.entries() if entry.type == "bundle.activated"][-1]
    told = change.body["change"]
    assert isinstance(told, dict)
    assert (told["justification"], told["approval_id"]) == ("a rule was added", "CHG-42")
    assert str(told["previous_value"]).startswith("1-")
    assert str(told["new_value"]).startswith("2-")
    gateway.start()
    with gateway.client(OPERATOR_URI) as operator:
        policy = operator.get("/v1/policy").json()
    assert policy["activation"] == change.seq
    assert policy["revision"].startswith("2-")
    assert gateway.stop() == 0


def test_floor_that_loses_a_row_is_refused(gateway: LiveGateway) -> None:
    folder = gateway.workplace.folder
    before = (folder / "floor.note").read_bytes()
    rows = folder / "rows.yaml"
    rows.write_text("version: 2\nrows: []\n", encoding="utf-8")
    key = str(folder / "keys" / "floor.key")
    out = str(folder / "floor.note")
    signed = run(
        "gateway", "policy", "sign-floor", str(rows), "--key", key, "--trust-domain",
        "demo.example", "--out", out,
    )  # fmt: skip
    assert signed.returncode == 0, signed.stderr
    count = _activations(gateway)
    try:
        assert_refused(activate(gateway.workplace.gateway_yaml), "would lose demo-ledger")
        done = run("gateway", "serve", "--config", str(gateway.workplace.gateway_yaml))
        assert_refused(done, "not what is in force")
    finally:
        (folder / "floor.note").write_bytes(before)
    assert _activations(gateway) == count


def test_a_changed_activation_row_is_seen_and_mended_by_activating(gateway: LiveGateway) -> None:
    settings = gateway.workplace.gateway_yaml
    database = gateway.workplace.database
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM activations")
    for _ in range(2):  # a refused start leaves nothing that would let the next one pass
        done = run("gateway", "serve", "--config", str(settings))
        assert_refused(done, "run `gateway policy activate`")
    done = activate(settings)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE activations SET activated_at = '2020-01-01T00:00:00.000000Z'")
    gateway.start()  # ready: the bundle's age is that of the entry
    assert gateway.stop() == 0


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


def _raise_version(bundle: Path) -> None:
    path = bundle / ".manifest"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["metadata"]["version"] += 1
    path.write_text(json.dumps(manifest), encoding="utf-8")


def _activations(gateway: LiveGateway) -> int:
    return sum(entry.type == "bundle.activated" for entry in gateway.entries())
