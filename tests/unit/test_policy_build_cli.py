"""`gateway policy build` from the outside."""

import json
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.bundles.keys import read_public_key
from gateway.bundles.signed import open_bundle
from gateway.errors import BundleError, ConfigError
from gateway.keys_cli import keys_app
from gateway.policy_build_cli import build
from tests.fakes.bundles import bundle_files, real_opa

app = typer.Typer()
app.command()(build)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    capabilities = subprocess.run(
        [real_opa(), "capabilities", "--current"], capture_output=True, check=True
    ).stdout
    for path, content in (bundle_files() | {"capabilities.json": capabilities}).items():
        target = tmp_path / "bundle" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    made = CliRunner().invoke(keys_app, ["bundle-key", "--out", str(tmp_path / "author.pem")])
    assert made.exit_code == 0, made.output
    return tmp_path


def arguments(workplace: Path, *more: str) -> list[str]:
    key, out = str(workplace / "author.pem"), str(workplace / "bundle.tar.gz")
    folder, opa = str(workplace / "bundle"), str(real_opa())
    return [folder, "--key", key, "--out", out, "--opa", opa, *more]


@pytest.mark.opa
def test_builds_what_the_public_key_opens(workplace: Path) -> None:
    done = CliRunner().invoke(app, arguments(workplace, "--json"))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    key = read_public_key(workplace / "author.pub")
    opened = open_bundle((workplace / "bundle.tar.gz").read_bytes(), [key])
    assert told == {
        "bundle": opened.bundle.hash,
        "revision": opened.bundle.revision,
        "version": 1,
        "bytes": len(opened.archive_bytes),
        "keyid": key.keyid,
        "key_fingerprint": key.fingerprint,
        "tested": True,
        "file": str(workplace / "bundle.tar.gz"),
    }
    assert (workplace / "bundle.tar.gz").stat().st_mode & 0o777 == 0o644


@pytest.mark.opa
def test_tells_people_the_same(workplace: Path) -> None:
    done = CliRunner().invoke(app, arguments(workplace, "--keyid", "ada"))
    assert done.exit_code == 0, done.output
    opened = open_bundle(
        (workplace / "bundle.tar.gz").read_bytes(),
        [read_public_key(workplace / "author.pub", "ada")],
    )
    for word in (opened.bundle.hash, opened.bundle.revision, "key ada", "tests passed"):
        assert word in done.stdout


@pytest.mark.opa
def test_failing_tests_stop_it_unless_left_out(workplace: Path) -> None:
    (workplace / "bundle/main/more_test.rego").write_bytes(
        b"package main.more_test\n\ntest_fails if false\n"
    )
    done = CliRunner().invoke(app, arguments(workplace))
    assert done.exit_code == 1
    assert "gateway: opa test: failed: " in done.stderr
    assert "test_fails" in done.stderr
    assert "nothing is built" in done.stderr
    assert not (workplace / "bundle.tar.gz").exists()
    done = CliRunner().invoke(app, arguments(workplace, "--no-test"))
    assert done.exit_code == 0
    assert "not tested" in done.stdout


@pytest.mark.opa
def test_a_place_that_cannot_be_written_leaves_nothing(workplace: Path) -> None:
    (workplace / "bundle.tar.gz").mkdir()
    done = CliRunner().invoke(app, arguments(workplace, "--no-test"))
    assert isinstance(done.exception, ConfigError)
    assert not list(workplace.glob(".*partial"))


def test_a_bundle_that_cannot_be_tried_is_no_verdict_on_it(workplace: Path) -> None:
    done = CliRunner().invoke(app, arguments(workplace, "--opa", str(workplace / "no-opa")))
    assert isinstance(done.exception, BundleError)
    assert "cannot be run" in str(done.exception)
