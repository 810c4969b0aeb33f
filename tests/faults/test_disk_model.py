"""The failing disk does what it says, and its model of a dying machine loses what it may."""

import os
import subprocess
import sys
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import pytest

from tests.fakes.failing_disk import CHANGES, FailingDisk, Fault, Flag, Kind, Mode, why_not
from tests.fakes.power_loss import Before, Machine, Survival

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

SAVE = """
import os, sys
folder = sys.argv[1]
os.mkdir(f"{folder}/sub")
with open(f"{folder}/sub/new", "wb") as file:
    file.write(b"n" * 1000)
    if "sync" in sys.argv:
        file.flush()
        os.fsync(file.fileno())
os.replace(f"{folder}/sub/new", f"{folder}/state")
if "folder" in sys.argv:
    os.fsync(os.open(folder, os.O_RDONLY))
"""


def save(tmp_path: Path, *how: str, fault: Fault | None = None) -> tuple[int, Machine, FailingDisk]:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "state").write_bytes(b"old")
    before = Before.of(folder)
    disk = FailingDisk(folder, tmp_path / "machinery", fault or Fault(Mode.NONE))
    done = subprocess.run(
        [sys.executable, "-c", SAVE, str(folder), *how],
        env={**os.environ, **disk.environment},
        capture_output=True,
        check=False,
    )
    machine = Machine(before)
    machine.take(disk.calls())
    disk.close()
    return done.returncode, machine, disk


@pytest.mark.parametrize(
    ("how", "survival", "state"),
    [
        ((), Survival.NOTHING, b"old"),
        ((), Survival.NAMES, b""),  # renamed before its content was there
        (("sync",), Survival.NOTHING, b"old"),
        (("sync",), Survival.NAMES, b"n" * 1000),
        (("sync", "folder"), Survival.NOTHING, b"n" * 1000),
        (("folder",), Survival.NOTHING, b""),
        ((), Survival.EVERYTHING, b"n" * 1000),
    ],
)
def test_what_was_not_synced_may_be_gone(
    tmp_path: Path, how: tuple[str, ...], survival: Survival, state: bytes
) -> None:
    code, machine, _ = save(tmp_path, *how)
    assert code == 0
    assert machine.image(survival)["state"] == state


def test_after_a_failed_sync_the_next_one_brings_nothing_back(tmp_path: Path) -> None:
    _, machine, disk = save(tmp_path, "sync", fault=Fault(Mode.FAIL, kinds=Kind.SYNC))
    synced = next(call for call in disk.calls() if call.kind is Kind.SYNC)
    assert not synced.is_done
    assert synced.is_planted
    machine.take([replace(synced, flags=Flag.DONE)])
    assert machine.image(Survival.EVERYTHING)["sub/new"] == b"n" * 1000
    assert machine.image(Survival.NAMES)["sub/new"] == b""


@pytest.mark.parametrize(
    ("mode", "code", "size"),
    [
        (Mode.FAIL, 1, 0),
        (Mode.PERSISTED, 1, 1000),
        (Mode.KILL_BEFORE, -9, 0),
        (Mode.KILL_AFTER, -9, 1000),
        (Mode.TORN, -9, 500),
    ],
)
def test_a_write_fails_as_planned(tmp_path: Path, mode: Mode, code: int, size: int) -> None:
    fault = Fault(mode, error=ENOSPC, kinds=Kind.WRITE)
    found, machine, disk = save(tmp_path, fault=fault)
    assert found == code
    assert (tmp_path / "folder" / "sub" / "new").stat().st_size == size
    image = machine.image(Survival.EVERYTHING)["sub/new"]
    assert image is not None
    assert len(image) == size
    assert sum(call.is_planted for call in disk.calls()) == (mode is not Mode.KILL_BEFORE)


def test_every_call_of_the_folder_is_counted_and_no_other(tmp_path: Path) -> None:
    _, _, disk = save(tmp_path, "sync", "folder")
    kinds = [call.kind for call in disk.calls() if call.number]
    order = [Kind.FOLDER, Kind.CREATE, Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.SYNC]
    assert kinds == order
    assert all(kind in CHANGES for kind in kinds)
