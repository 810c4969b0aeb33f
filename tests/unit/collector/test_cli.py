"""The command over real mTLS and this machine's own processes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import cli
from collector.client.refusal import Refusal, store_refusal
from gateway.clock import SystemClock
from tests.fakes.gateway import FakeGateway, protect
from tests.fakes.gateway_server import serve
from tests.fakes.pki import COLLECTOR, Domain, make_domain

CLOCK = SystemClock()


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return make_domain(tmp_path / "keys", CLOCK)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(CLOCK)


@pytest.fixture
def url(domain: Domain, gateway: FakeGateway) -> Iterator[str]:
    with serve(gateway, domain) as served:
        yield served


@pytest.fixture
def log_shipper(tmp_path: Path) -> Iterator[int]:
    """The PID of a real process that may be dropped."""
    program = shutil.copy("/bin/sleep", tmp_path / "log-shipper")
    process = subprocess.Popen([program, "60"])
    yield process.pid
    process.kill()
    process.wait()


def configure(domain: Domain, gateway: FakeGateway, url: str) -> Path:
    certificate, key = domain.files(COLLECTOR)
    path = domain.folder.parent / "collector.yaml"
    path.write_text(
        f"gateway: {{url: {url}, ca: {domain.ca}, certificate: {certificate}, key: {key}}}\n"
        f"log: {{origin: {gateway.signer.name}, key: {gateway.signer.vkey}}}\n"
        "state: state\n"
        "export: {file: points.jsonl}\n"
        "profile: aggressive\n"
        "process_classification:\n"
        '  edge: {score: 0.1, patterns: ["^log-shipper"]}\n'
    )
    return path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["collector", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def run_once(monkeypatch: pytest.MonkeyPatch, config: Path, *more: str) -> int:
    arguments = ("--config", str(config), "--once", "--interval", "0.05", *more)
    return command(monkeypatch, "run", *arguments)


@pytest.mark.usefixtures("log_shipper")
def test_run_once_drops_from_the_second_sample_on_and_balances(
    domain: Domain,
    gateway: FakeGateway,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = configure(domain, gateway, url)
    assert run_once(monkeypatch, config, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outage"] is None
    assert told["points"]["dropped"] > 0
    assert told["imbalance"] == 0
    assert told["ledger"]["scraped"] > told["ledger"]["exported"] > 0
    row = next(row for row in told["classes"] if row["names"] == ["log-shipper"])
    assert row["verdict"] == "drop (permitted)"
    # Other tests run processes on this machine, too.
    assert row["kept"] == 0
    assert 0 < row["dropped"] <= told["points"]["dropped"]
    assert gateway.reports[-1]["counters"] == told["ledger"]
    assert (config.parent / "state" / "checkpoint").exists()
    assert (config.parent / "points.jsonl").read_text().startswith('{"resourceMetrics":')


def test_run_once_prints_a_table_for_people(
    domain: Domain,
    gateway: FakeGateway,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway.judge = protect
    assert run_once(monkeypatch, configure(domain, gateway, url)) == 0
    out = capsys.readouterr().out
    assert "Cycle 2" in out
    assert "0 dropped" in out
    assert ": balanced" in out


def test_without_a_gateway_everything_is_kept_and_it_says_so(
    domain: Domain,
    gateway: FakeGateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = configure(domain, gateway, "https://127.0.0.1:1")
    assert run_once(monkeypatch, config) == 0
    out = capsys.readouterr().out
    assert "No usable gateway" in out
    assert "0 dropped, 0 sampled out" in out
    assert run_once(monkeypatch, config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["points"]["dropped"] == 0


def test_a_rewritten_log_ends_with_one(
    domain: Domain, gateway: FakeGateway, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(domain, gateway, url)
    assert run_once(monkeypatch, config) == 0
    gateway.leaves[0] = b"\x00" * 32
    assert run_once(monkeypatch, config) == 1


def test_explain_tells_the_whole_way(
    log_shipper: int,
    domain: Domain,
    gateway: FakeGateway,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway.judge = protect
    config = str(configure(domain, gateway, url))
    assert command(monkeypatch, "explain", str(log_shipper), "--config", config, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["pid"], told["name"], told["class"]) == (log_shipper, "log-shipper", "edge")
    assert (told["outcome"], told["proposed"]) == ("kept", "drop")
    assert told["pattern"] == "regex ^log-shipper"
    assert told["verdict"]["effect"] == "overridden"
    assert told["lease_seconds_left"] > 200
    assert command(monkeypatch, "explain", "log-shipper", "--config", config) == 0
    out = capsys.readouterr().out
    assert "PCI-DSS-4.0.1/10.2.1" in out
    assert "points kept" in out
    assert gateway.reports == []  # it watches; it keeps no books
    assert command(monkeypatch, "explain", "no-such-name", "--config", config) == 2
    assert "No process here" in capsys.readouterr().err


def test_check_says_what_is_fine_and_what_is_not(
    domain: Domain,
    gateway: FakeGateway,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(configure(domain, gateway, url))
    assert command(monkeypatch, "check", "--config", config) == 0
    assert "accepts this collector" in capsys.readouterr().out
    gateway.status = 403
    assert command(monkeypatch, "check", "--config", config) == 2
    captured = capsys.readouterr()
    assert "status 403" in captured.err
    assert len(captured.err.strip().splitlines()) == 1


def test_a_wrong_file_is_one_sentence_and_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "run", "--config", "/nonexistent/collector.yaml") == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert err.strip() == "/nonexistent/collector.yaml cannot be read: No such file or directory"


def test_a_refusal_fails_the_check_until_a_person_clears_it(
    domain: Domain,
    gateway: FakeGateway,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = configure(domain, gateway, url)
    store_refusal(make_state(config), Refusal("The evidence does not hold: a fork.", "note\n"))
    assert command(monkeypatch, "check", "--config", str(config)) == 1
    assert "a fork. It binds over restarts" in capsys.readouterr().err
    assert run_once(monkeypatch, config) == 1
    capsys.readouterr()
    assert command(monkeypatch, "check", "--config", str(config), "--clear-refusal") == 0
    assert "moved aside" in capsys.readouterr().err
    assert command(monkeypatch, "check", "--config", str(config)) == 0


def make_state(config: Path) -> Path:
    state = config.parent / "state"
    state.mkdir()
    return state
