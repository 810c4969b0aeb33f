"""What each part needs to be installed, and what happens at import: seen in processes of their own,
where every other distribution is refused."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from collector.cli import app as collector_app
from gateway.cli import app as gateway_app
from tests.fakes.blocked_imports import ROOT, modules_of_extra, run_blocked
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log

SERVER_ONLY = {
    "alembic",
    "fastapi",
    "httptools",
    "opa_client",
    "prometheus_client",
    "pyrage",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
}
VERIFIER = {"gateway", "cryptography", "cffi", "_cffi_backend"}
_EVERY_MODULE = """
import importlib, pkgutil
def modules():
    for root in ROOTS:
        yield root
        package = importlib.import_module(root)
        for found in pkgutil.walk_packages(package.__path__, root + "."):
            if not found.name.endswith(("__main__", "migrations.env")):
                yield found.name
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A whole log of a few entries."""

    async def write() -> None:
        engine = open_engine(tmp_path / "log.db")
        log = await open_log(engine)
        await log.append([note(str(number)) for number in range(5)])
        await log.aclose()
        engine.dispose()

    asyncio.run(write())
    return tmp_path / "log.db"


def test_refusal_refuses_a_distribution_that_is_installed() -> None:
    """The other tests here mean nothing unless the blocker blocks."""
    done = run_blocked("import fastapi", {"gateway"})
    assert done.returncode == 1
    assert "is refused by the test" in done.stderr
    assert run_blocked("import json, cryptography", VERIFIER).returncode == 0


def test_transparency_imports_with_nothing_but_cryptography() -> None:
    code = (
        'ROOTS = ["gateway.transparency"]\n'
        + _EVERY_MODULE
        + "for name in modules(): importlib.import_module(name)\n"
        "import json\n"
        'print(json.dumps(sorted(n for n in sys.modules if n.startswith("gateway"))))'
    )
    done = run_blocked(code, VERIFIER)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert "gateway.transparency.verify" in loaded
    others = {name for name in loaded if not name.startswith("gateway.transparency")}
    assert others <= {"gateway", "gateway.canonical", "gateway.clock", "gateway.errors"}


def test_verifier_verifies_with_nothing_but_cryptography(database: Path) -> None:
    code = 'import runpy\nrunpy.run_module("gateway.transparency", run_name="__main__")'
    arguments = [str(database), "--key", SIGNER.vkey, "--json"]
    done = run_blocked(code, VERIFIER, arguments)
    assert done.returncode == 3, done.stderr  # whole, and nothing outside to compare with
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["entries"]) == ("UNANCHORED", 6)


def test_extra_of_the_collector_brings_no_server() -> None:
    assert not modules_of_extra("collector") & SERVER_ONLY
    assert modules_of_extra("server") >= SERVER_ONLY


def test_collector_imports_with_its_extra_alone() -> None:
    code = (
        'ROOTS = ["collector"]\n'
        + _EVERY_MODULE
        + "for name in modules(): importlib.import_module(name)"
    )
    done = run_blocked(code, {"collector", "gateway", *modules_of_extra("collector")})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["run", "check", "explain"])
def test_collector_answers_help_with_its_extra_alone(command: str) -> None:
    done = run_collector_blocked(command, "--help")
    assert done.returncode == 0, done.stderr
    assert command in done.stdout


def test_gateway_imports_with_the_extra_of_the_server_alone() -> None:
    code = (
        'ROOTS = ["gateway"]\n'
        + _EVERY_MODULE
        + "for name in modules(): importlib.import_module(name)"
    )
    done = run_blocked(code, {"gateway", *modules_of_extra("server")})
    assert done.returncode == 0, done.stderr


def test_nothing_connects_or_starts_at_import() -> None:
    """No connection, no listener, no look-up, no process, no thread. (urllib3 binds ::1 once, to no
    port, to learn whether there is IPv6; it does not listen.)"""
    code = """
import sys, threading
forbidden = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto",
             "subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system")
seen = []
def watch(event, arguments):
    if event in forbidden and not (event == "socket.bind" and arguments[1] == ("::1", 0)):
        seen.append((event, arguments))
sys.addaudithook(watch)
ROOTS = ["gateway", "collector"]
count = 0
for name in modules():
    importlib.import_module(name)
    count += 1
assert not seen, seen
assert threading.active_count() == 1, threading.enumerate()
import socket
assert count > 100, count
with socket.socket() as probe:
    probe.connect_ex(("127.0.0.1", 1))
assert seen, "the hook is deaf"
"""
    allowed = {"gateway", "collector", *modules_of_extra("server"), *modules_of_extra("collector")}
    done = run_blocked(_EVERY_MODULE + code, allowed)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("app", [gateway_app, collector_app], ids=["gateway", "collector"])
def test_every_command_answers_help(app: typer.Typer) -> None:
    paths = list(_commands(typer.main.get_command(app)))
    assert len(paths) > 3
    for path in paths:
        result = CliRunner().invoke(app, [*path, "--help"])
        assert result.exit_code == 0, (path, result.output)
        assert "Usage" in result.output


@pytest.mark.parametrize("name", ["gateway", "collector"])
def test_console_script_is_installed(name: str) -> None:
    program = Path(sys.executable).parent / name
    done = subprocess.run([program, "--help"], capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_secret_or_made_is_committed() -> None:
    endings = (".key", ".pem", ".crt", ".cer", ".p12", ".pfx", ".db", ".sqlite", ".sqlite3")
    forbidden = (*endings, ".db-wal", ".db-shm", ".vkey", ".jks")
    assert [name for name in _committed() if name.lower().endswith(forbidden)] == []
    secret = ("PRIVATE KEY-----\n", "AGE-SECRET-KEY-1")
    private = [f"-----BEGIN {secret[0]}", f"-----BEGIN EC {secret[0]}", secret[1] + "Q"]
    for name in _committed():
        text = (ROOT / name).read_bytes().decode(errors="replace")
        assert not [mark for mark in private if mark in text], name


def test_no_module_is_longer_than_400_lines() -> None:
    """A file that long does more than one thing."""
    ours = ("gateway/", "collector/", "bench/", "deploy/")
    modules = [name for name in _committed() if name.endswith(".py") and name.startswith(ours)]
    assert len(modules) > 100
    lines = {name: len((ROOT / name).read_bytes().splitlines()) for name in modules}
    assert {name: n for name, n in lines.items() if n > 400} == {}


def run_collector_blocked(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The collector's command where no distribution of the server can be imported."""
    code = 'from collector.cli import main\nsys.argv[0] = "collector"\nsys.exit(main())'
    allowed = {"collector", "gateway", *modules_of_extra("collector")}
    return run_blocked(code, allowed, arguments)


def _commands(command: object) -> Iterator[tuple[str, ...]]:
    yield ()
    for name, inner in getattr(command, "commands", {}).items():
        for path in _commands(inner):
            yield (name, *path)


def _committed() -> list[str]:
    """The files that git knows; outside a checkout, those that lie where git's would."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and done.stdout:
        return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    made = {".venv", ".parts", ".demo", ".git", "__pycache__", "build", "dist"}
    found: list[str] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in made]
        found += [str((Path(folder) / name).relative_to(ROOT)) for name in names]
    return found
