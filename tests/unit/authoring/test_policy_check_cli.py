"""`gateway policy check`: exit codes, a table of 80 columns, JSON, SARIF."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gateway.errors import BundleError, ConfigError
from gateway.policy_check_cli import check
from tests.fakes.bundles import real_opa
from tests.fakes.recorded_world import make_recorded_world
from tests.unit.authoring.planted import DATA, good_files

pytestmark = pytest.mark.opa

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(check)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good bundle on disk."""
    root = tmp_path / "policies"
    for path, content in good_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    set_data(root, "demo", DATA.replace("2026-11-25", "2999-12-31"))
    return root


def set_data(root: Path, name: str, text: str) -> None:
    (root / "data" / name / "data.yaml").write_text(text)


def run(root: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [str(root), "--opa", str(real_opa()), *options])


def test_a_good_bundle_is_said_to_be_good(folder: Path) -> None:
    result = run(folder, "--strict")
    assert result.exit_code == 0, result.output
    assert "good, nothing found" in result.stdout


def test_warnings_fail_only_when_asked(folder: Path) -> None:
    set_data(folder, "demo", DATA.replace("2026-11-25", "2001-01-01"))
    result = run(folder)
    assert result.exit_code == 0, result.output
    assert "1 warning" in result.stdout
    assert "review-overdue" in result.stdout
    assert run(folder, "--strict").exit_code == 1


def test_errors_fail_and_the_table_fits(folder: Path) -> None:
    set_data(folder, "demo", DATA.replace("regex:", "rgx:").replace("owner: team", "own: x"))
    (folder / "main" / "main.rego").write_text("package main\n\nverdicts := [\n")
    result = run(folder)
    assert result.exit_code == 1
    assert "data/demo/data.yaml:2:5" in result.stdout
    assert "main/main.rego:" in result.stdout
    assert "→ name the team that answers for it" in result.stdout
    *table, last = result.stdout.splitlines()
    assert max(map(len, table)) <= 80
    assert last.endswith("policies: 3 errors")


def test_json_and_sarif_say_the_same(folder: Path, tmp_path: Path) -> None:
    set_data(folder, "demo", DATA.replace("owner: team", "own: x"))
    sarif = tmp_path / "out.sarif"
    result = run(folder, "--json", "--sarif", str(sarif))
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    (one,) = [one for one in value["findings"] if one["rule"] == "owner"]
    assert (one["level"], one["file"], one["line"], one["column"]) == (
        "error",
        "data/demo/data.yaml",
        2,
        5,
    )
    assert value["counts"]["error"] == 1
    results = json.loads(sarif.read_text())["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == [one["rule"] for one in value["findings"]]


def test_patterns_are_held_against_recorded_traffic(folder: Path, tmp_path: Path) -> None:
    traffic = tmp_path / "traffic.jsonl"
    traffic.write_text('{"service.name": "nothing-like-it"}\n')
    assert "pattern-unseen" in run(folder, "--traffic", str(traffic)).stdout
    traffic.write_text('"ledger-of-many-letters-1"\n')
    assert "pattern-unseen" not in run(folder, "--traffic", str(traffic)).stdout


def test_patterns_are_held_against_what_the_log_recorded(folder: Path, tmp_path: Path) -> None:
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    config = ("--config", str(make_recorded_world(recorded).config))
    assert "pattern-unseen" in run(folder, *config).stdout
    set_data(folder, "demo", DATA.replace("^ledger-of-many-letters", "^log-shipper"))
    assert "pattern-unseen" not in run(folder, *config).stdout
    both = run(folder, *config, "--traffic", str(tmp_path / "x"))
    assert isinstance(both.exception, ConfigError)


def test_what_could_not_be_checked_is_a_declared_error(folder: Path, tmp_path: Path) -> None:
    """The console script turns these into one sentence and exit code 2."""
    result = CliRunner().invoke(app, [str(folder), "--opa", str(tmp_path / "absent")])
    assert isinstance(result.exception, BundleError)
    assert "name OPA with --opa" in str(result.exception)
    assert isinstance(run(tmp_path / "absent").exception, BundleError)
    assert isinstance(run(folder, "--traffic", str(tmp_path / "no")).exception, ConfigError)
    assert isinstance(run(folder, "--sarif", str(tmp_path / "no/x")).exception, ConfigError)
