"""The stand-alone verifier and `gateway audit`: what people see, and exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import ConfigError
from gateway.transparency.__main__ import main
from tests.unit.transparency.logs import SIGNER, LogFile, make_signer

Case = tuple[list[str], str, int]


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "gateway.db").grow(30, seals=(10, 30))


@pytest.fixture
def anchor(log: LogFile) -> str:
    path = log.path.with_name("checkpoint")
    path.write_text(log.anchor(30).note)
    return str(path)


def verify(log: LogFile, *options: str) -> tuple[str, int]:
    """Runs both front ends, which must agree; gives the command's output, unwrapped."""
    result = CliRunner().invoke(app, ["audit", "verify", str(log.path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert main([str(log.path), *options]) == result.exit_code
    return " ".join(result.output.split()), result.exit_code


def test_ok_with_key_and_anchor(log: LogFile, anchor: str) -> None:
    output, code = verify(log, "--key", SIGNER.vkey, "--checkpoint", anchor)
    assert code == 0
    assert output.startswith("OK All 30 entries hold; 30 of them are known outside.")
    assert "30 of 30" in output


def test_unanchored(log: LogFile) -> None:
    output, code = verify(log, "--key", SIGNER.vkey)
    assert (output.split()[0], code) == ("UNANCHORED", 3)
    assert "--checkpoint FILE" in output


def test_broken_names_the_entry(log: LogFile, anchor: str) -> None:
    data = log.entry(17)[0]
    log.run("UPDATE entries SET bytes = ? WHERE seq = 17", data[:-9] + b"X" + data[-8:])
    output, code = verify(log, "--key", SIGNER.vkey, "--checkpoint", anchor)
    assert (output.split()[0], code) == ("TAMPERED", 1)
    assert "first bad entry 17" in output
    assert "entries 0 to 16, by the outside checkpoint of 30 entries" in output
    assert "entries 18 to 29, by the outside checkpoint of 30 entries" in output


def test_key_file_and_key_beside_the_database(log: LogFile) -> None:
    output, code = verify(log)
    assert (output.split()[0], code) == ("UNVERIFIABLE", 2)
    keys = log.path.with_name("keys")
    keys.mkdir()
    (keys / "checkpoint.vkey").write_text(SIGNER.vkey + "\n")
    output, code = verify(log)
    assert code == 3
    assert "no independent evidence" in output
    output, code = verify(log, "--key", str(keys / "checkpoint.vkey"))
    assert code == 3
    assert "no independent evidence" not in output


@pytest.mark.parametrize(
    "options",
    [
        ["--key", "nonsense"],
        ["--key", "a+b+c"],
        ["--key", "x" * 5000],
        ["--key", "a\0b"],
        ["--key", make_signer(2).vkey],
        ["--key", make_signer(1, "elsewhere").vkey],
        ["--key", SIGNER.vkey, "--checkpoint", "/nowhere/at/all"],
        ["--key", SIGNER.vkey, "--checkpoint", __file__],
        ["--key", SIGNER.vkey, "--log", "elsewhere\x1b[31m"],
        ["--key", SIGNER.vkey, "--policy", "/nowhere/at/all"],
        ["--key", SIGNER.vkey, "--policy", __file__],
        ["--key", SIGNER.vkey, "--state", __file__],
        ["--key", SIGNER.vkey, "--state", "/nowhere/at/all"],
    ],
)
def test_what_cannot_be_checked_is_one_sentence(log: LogFile, options: list[str]) -> None:
    output, code = verify(log, *options)
    assert (output.split()[0], code) == ("UNVERIFIABLE", 2)
    assert "Traceback" not in output
    assert "\x1b[31m" not in output


@pytest.mark.parametrize("place", ["folder", "absent/state", "file/state"])
def test_a_state_that_could_not_be_kept_is_told_before_anything_is_read(
    log: LogFile, tmp_path: Path, place: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    output, code = verify(log, "--key", SIGNER.vkey, "--state", str(tmp_path / place))
    assert (output.split()[0], code) == ("UNVERIFIABLE", 2)
    assert "annot write the state" in output
    assert "entries that hold" not in output  # nothing was read
    assert "Name a file for --state" in output
    assert {path.name for path in tmp_path.iterdir()} >= {"folder", "file"}
    assert list((tmp_path / "folder").iterdir()) == []


def test_json_is_the_verdict(log: LogFile, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(log.path), "--key", SIGNER.vkey, "--json"]
    result = CliRunner().invoke(app, ["audit", "verify", *arguments])
    main(arguments)
    value = json.loads(result.output)
    assert value == json.loads(capsys.readouterr().out)
    assert (value["verdict"], value["exit_code"], value["anchored_to"]) == (
        *("UNANCHORED", 3),
        "0 of 30",
    )


def inspect(log: LogFile, *options: str) -> Any:
    result = CliRunner().invoke(app, ["audit", "inspect", str(log.path), *options])
    assert result.exit_code == 0, result.output
    return json.loads(result.output) if "--json" in options else result.output


def test_inspect_fits_80_columns(log: LogFile) -> None:
    log.append(b'{"text":"' + b"long " * 100 + b'\xc2\x9b\x7f[31m"}', 1_767_323_045_000_006)
    lines = inspect(log).splitlines()
    assert len(lines) == 32
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[:5] == ["0", "2026-01-02", "03:04:05", "denial", "one"]


def test_inspect_picks(log: LogFile) -> None:
    assert [row["seq"] for row in inspect(log, "--from", "4", "--limit", "2", "--json")] == [4, 5]
    assert inspect(log, "--type", "none", "--json") == []
    log.run("UPDATE entries SET bytes = x'00' WHERE seq = 4")
    assert "error" in inspect(log, "--from", "4", "--limit", "1", "--json")[0]
    assert "unreadable" in inspect(log, "--from", "4", "--limit", "1")


def test_inspect_of_nothing_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", "inspect", str(tmp_path / "none.db")])
    assert result.exit_code == 2
    assert "cannot read" in result.output


def test_stands_alone(log: LogFile) -> None:
    """With every other package hidden, the module verifies a log."""
    blocker = """
import sys
allowed = {"gateway", "cryptography", "_cffi_backend", "cffi", "pycparser"}
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed | sys.stdlib_module_names:
            raise ImportError("hidden: " + name)
sys.meta_path.insert(0, Block())
from gateway.transparency.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
    result = subprocess.run(
        [sys.executable, "-c", blocker, str(log.path), "--key", SIGNER.vkey],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3, result.stderr
    assert result.stdout.startswith("UNANCHORED: All 30 entries hold")


@pytest.mark.parametrize("depth", ["bytes", "fields", "canonical"])
def test_depth_and_state(log: LogFile, anchor: str, tmp_path: Path, depth: str) -> None:
    state = str(tmp_path / "state")
    options = ["--key", SIGNER.vkey, "--checkpoint", anchor, "--depth", depth, "--json"]
    result = CliRunner().invoke(app, ["audit", "verify", str(log.path), *options, "--state", state])
    assert (result.exit_code, json.loads(result.output)["verified_earlier"]) == (0, 0)
    output, code = verify(log, "--key", SIGNER.vkey, "--depth", depth, "--state", state)
    assert code == 0
    assert "30 of the entries were verified earlier" in output


def test_several_keys(log: LogFile, anchor: str) -> None:
    old = make_signer(2).vkey
    output, code = verify(log, "--key", SIGNER.vkey, "--key", old, "--checkpoint", anchor)
    assert (output.split()[0], code) == ("OK", 0)


def test_policy_of_witnesses(log: LogFile, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(f"log {SIGNER.vkey}\nquorum none\n")
    output, code = verify(log, "--key", SIGNER.vkey, "--policy", str(policy))
    assert (output.split()[0], code) == ("UNANCHORED", 3)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("gopher://host/log", "No log is read from gopher://"),
        ("http://127.0.0.1:1/tlog", "Cannot read"),
        ("s3://user@bucket/prefix", "S3"),
    ],
)
def test_addresses_that_nothing_answers(address: str, said: str) -> None:
    result = CliRunner().invoke(app, ["audit", "verify", address, "--key", SIGNER.vkey])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_server_addresses_are_named_by_the_stand_alone_verifier(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["postgresql://host/db", "--key", SIGNER.vkey]) == 2
    assert "gateway audit verify" in capsys.readouterr().out


def test_folder_that_holds_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", "verify", str(tmp_path), "--key", SIGNER.vkey])
    assert result.exit_code == 2
    assert "no exported log" in " ".join(result.output.split())


def test_inspect_by_process_needs_the_keys(log: LogFile) -> None:
    result = CliRunner().invoke(app, ["audit", "inspect", str(log.path), "--process", "ledger*"])
    assert isinstance(result.exception, ConfigError)
    assert "--config gateway.yaml" in str(result.exception)
