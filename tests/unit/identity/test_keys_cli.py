"""`gateway keys` from the outside: what it prints and how it exits."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.bundles.keys import read_private_key, read_public_key
from gateway.keys_cli import keys_app

URI = "spiffe://bank.test/collector/production/eu-west-1/edge-7"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    result = CliRunner().invoke(keys_app, ["init", str(folder), "--trust-domain", "bank.test"])
    assert result.exit_code == 0, result.output
    return folder


def test_init_says_what_each_file_is(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    arguments = ["init", str(folder), "--trust-domain", "bank.test", "--region", "us-east-1"]
    arguments += ["--environment", "staging", "--host", "gw.bank.test", "--host", "::1", "--json"]
    result = CliRunner().invoke(keys_app, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    files = {file["file"]: file["what"] for file in told["files"]}
    assert set(files) == {str(path) for path in folder.rglob("*") if path.is_file()}
    assert str(folder / "subjects/collector/staging/us-east-1/collector-1.pem") in files
    assert all(files.values())


def test_init_table_names_every_file_whole(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    result = CliRunner(env={"COLUMNS": "160"}).invoke(
        keys_app, ["init", str(folder), "--trust-domain", "bank.test"]
    )
    for path in folder.rglob("*"):
        if path.is_file():
            assert str(path.relative_to(folder)) in result.stdout


def test_no_secret_is_printed(folder: Path) -> None:
    result = CliRunner().invoke(keys_app, ["issue", str(folder), "--subject", URI])
    assert result.exit_code == 0
    assert "PRIVATE" not in result.output
    assert "AGE-SECRET" not in result.output


def test_issue_then_revoke(folder: Path) -> None:
    run = CliRunner().invoke
    issued = run(keys_app, ["issue", str(folder), "--subject", URI, "--days", "7", "--json"])
    assert issued.exit_code == 0, issued.output
    (certificate,) = (
        file["file"] for file in json.loads(issued.stdout)["files"] if file["file"].endswith(".pem")
    )
    revoked = run(keys_app, ["revoke", str(folder), certificate, "--json"])
    assert revoked.exit_code == 0, revoked.output
    assert json.loads(revoked.stdout)["subject"] == URI
    again = run(keys_app, ["revoke", str(folder), certificate])
    assert (again.exit_code, "revoked already" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["init", "FOLDER", "--trust-domain", "bank.test"],
        ["init", "FOLDER/new", "--trust-domain", "Bank.test"],
        ["init", "FOLDER/new", "--trust-domain", "bank.test", "--host", "a b"],
        ["issue", "FOLDER", "--subject", "spiffe://other.test/auditor/ada"],
        ["issue", "FOLDER", "--subject", URI, "--days", "0"],
        ["issue", "FOLDER/none", "--subject", URI],
        ["revoke", "FOLDER", "FOLDER/age.txt"],
        ["revoke", "FOLDER", "FOLDER/none.pem"],
    ],
)
def test_errors_are_one_sentence_and_exit_2(folder: Path, arguments: list[str]) -> None:
    arguments = [argument.replace("FOLDER", str(folder)) for argument in arguments]
    result = CliRunner().invoke(keys_app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("gateway keys: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert "AGE-SECRET" not in result.stderr


def test_a_bundle_key_is_made_once_and_named(tmp_path: Path) -> None:
    out = tmp_path / "author.pem"
    made = CliRunner().invoke(keys_app, ["bundle-key", "--out", str(out), "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["private"] == str(out)
    assert told["public"] == str(tmp_path / "author.pub")
    assert told["keyid"] == read_public_key(tmp_path / "author.pub").keyid
    assert out.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in made.output
    before = out.read_bytes()
    again = CliRunner().invoke(keys_app, ["bundle-key", "--out", str(out)])
    assert (again.exit_code, "never overwritten" in again.stderr) == (2, True)
    assert out.read_bytes() == before


def test_init_makes_a_bundle_key(folder: Path) -> None:
    key = read_private_key(folder / "bundle.key").public_key()
    assert read_public_key(folder / "bundle.pub").public_key == key
