"""Parsing /proc: the traps of its formats, on a made-up /proc."""

import os
from pathlib import Path

import pytest

from collector.sources.procfs import PF_KTHREAD, Vanished, read_facts, read_start_ticks


def write_process(
    proc: Path,
    comm: bytes = b"sleep",
    state: str = "S",
    flags: int = 0,
    start: int = 4242,
    cmdline: bytes | None = b"sleep\x0060\x00",
    exe: str | None = "/bin/sleep",
) -> None:
    """Process 7 of a made-up /proc."""
    folder = proc / "7"
    folder.mkdir()
    fields = [state, "1", "7", "7", "0", "-1", str(flags), "11", "0", "3", "0", "250", "125"]
    fields += ["0", "0", "20", "0", "4", "0", str(start), "8192", "2", "0"]
    (folder / "stat").write_bytes(b"7 (" + comm + b") " + " ".join(fields).encode() + b"\n")
    if cmdline is not None:
        (folder / "cmdline").write_bytes(cmdline)
    if exe is not None:
        (folder / "exe").symlink_to(exe)


@pytest.mark.parametrize(
    ("comm", "expected"),
    [
        (b"a b", "a b"),
        (b"x) S 1 (y", "x) S 1 (y"),
        (b"((", "(("),
        (b"new\nline", "new\nline"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_a_name_may_hold_anything(tmp_path: Path, comm: bytes, expected: str) -> None:
    write_process(tmp_path, comm=comm)
    facts = read_facts(7, tmp_path)
    assert (facts.comm, facts.start_ticks, facts.parent_pid) == (expected, 4242, 1)


def test_numbers_come_in_units(tmp_path: Path) -> None:
    write_process(tmp_path)
    numbers = read_facts(7, tmp_path).numbers
    ticks = os.sysconf("SC_CLK_TCK")
    assert numbers.cpu_user_seconds == 250 / ticks
    assert numbers.cpu_system_seconds == 125 / ticks
    assert (numbers.threads, numbers.minor_faults, numbers.major_faults) == (4, 11, 3)
    assert numbers.virtual_bytes == 8192
    assert numbers.resident_bytes == 2 * os.sysconf("SC_PAGE_SIZE")


def test_a_replaced_executable_keeps_its_name(tmp_path: Path) -> None:
    write_process(tmp_path, exe="/opt/payment-gateway (deleted)")
    assert read_facts(7, tmp_path).exe == "/opt/payment-gateway"


def test_kernel_threads_and_zombies_have_no_exe_and_no_argv(tmp_path: Path) -> None:
    write_process(tmp_path, state="Z", flags=PF_KTHREAD | 0x40, cmdline=b"", exe=None)
    facts = read_facts(7, tmp_path)
    assert facts.is_kernel_thread
    assert facts.is_zombie
    assert (facts.exe, facts.argv, facts.cgroup) == (None, (), "")


def test_a_rewritten_title_and_bytes_that_are_no_text_are_read(tmp_path: Path) -> None:
    write_process(tmp_path, cmdline=b"x: \xff worker\0\0\0\0")
    assert read_facts(7, tmp_path).argv == ("x: \ufffd worker",)


@pytest.mark.parametrize("content", [None, b"", b"7 (sleep", b"7 (sleep) S 1", b"\0"])
def test_a_process_that_is_torn_down_has_vanished(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "stat").write_bytes(content)
    with pytest.raises(Vanished):
        read_facts(7, tmp_path)
    with pytest.raises(Vanished):
        read_start_ticks(7, tmp_path)
