"""`gateway demo` as a user starts it: every claim seen to hold, the folder that DESIGN promises,
nothing left running."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.transparency.report import check_database
from gateway.transparency.verdict import Word
from tests.fakes.live_gateway import run, script

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(420)]
FIXED_NAMES = (
    "gateway.yaml",
    "collector.yaml",
    "keys/age.txt",
    "keys/checkpoint.vkey",
    "log.db",
    "collector/checkpoint",
    "points.jsonl",
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One demo for all tests here; it takes some ten seconds."""
    folder = tmp_path_factory.mktemp("demo") / "place"
    return folder, run("gateway", "demo", "--folder", str(folder), seconds=360)


def test_every_claim_was_seen_to_hold(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = demo
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    _, _, claims = done.stdout.partition("What was seen")
    assert claims.count("yes ") >= 8
    assert "NO " not in claims
    assert "Traceback" not in done.stdout + done.stderr


def test_folder_to_explore_has_the_fixed_names(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = demo
    assert [name for name in FIXED_NAMES if not (folder / name).is_file()] == []
    private = [*(folder / "keys").rglob("*.key"), folder / "keys" / "age.txt"]
    assert len(private) > 5
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in private} == {"0o600"}


def test_log_left_behind_verifies_against_the_collectors_checkpoint(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = demo
    key = str(folder / "keys" / "checkpoint.vkey")
    verdict = check_database(folder / "log.db", key, None, [folder / "collector" / "checkpoint"])
    assert verdict.word is Word.OK
    assert verdict.anchored > 0


def test_no_process_is_left_behind(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = demo
    assert _processes_of(folder) == []


def test_folder_that_the_demo_did_not_make_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    done = run("gateway", "demo", "--folder", str(tmp_path))
    assert done.returncode == 2
    assert "was not made by the demo" in done.stderr
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_processes_of_a_folder_are_found(tmp_path: Path) -> None:
    """The check for processes left behind can fail."""
    process = subprocess.Popen(script("gateway", "serve", str(tmp_path)), stderr=subprocess.DEVNULL)
    try:
        assert process.pid in _processes_of(tmp_path)
    finally:
        process.kill()
        process.wait()


def _processes_of(folder: Path) -> list[int]:
    """The processes that name the folder in their command line, program or working folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            places = [command, os.readlink(entry / "exe"), os.readlink(entry / "cwd")]
        except OSError:  # it has ended, or is a kernel thread
            continue
        if any(str(folder) in place for place in places):
            found.append(int(entry.name))
    return found
