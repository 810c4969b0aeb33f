"""What Linux says of a process in /proc, read as bytes and parsed once (proc(5)).

psutil is not asked for these: its start time mixes in the wall clock, its name guesses from argv,
and it decodes command lines with lone surrogates.
"""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PF_KTHREAD = 0x0020_0000  # include/linux/sched.h
_STATE, _PARENT, _FLAGS, _START = 0, 1, 6, 19  # fields after the name, counted from the state
_DELETED = " (deleted)"
_MAX_COMMAND_LINE_BYTES = 64 * 1024
_GONE_STATES = frozenset("ZXx")


class Vanished(Exception):  # noqa: N818 - a state of the world, not a defect
    """The process ended before it could be read."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process's names and lineage. `start_ticks` counts from boot on the boot-time clock. `exe`
    is None where it cannot be learned; `argv` is empty for kernel threads, zombies and processes
    that wiped it. Text holds U+FFFD for bytes that are no UTF-8."""

    pid: int
    start_ticks: int
    parent_pid: int
    comm: str
    is_kernel_thread: bool
    is_zombie: bool
    exe: str | None
    argv: tuple[str, ...]
    cgroup: str


def read_facts(pid: int, proc: Path = PROC) -> ProcessFacts:
    """Read one process; raises Vanished when it is gone. What another user's denies is left out."""
    folder = proc / str(pid)
    comm, fields = _read_stat(folder)
    return ProcessFacts(
        pid=pid,
        start_ticks=int(fields[_START]),
        parent_pid=int(fields[_PARENT]),
        comm=_text(comm),
        is_kernel_thread=bool(int(fields[_FLAGS]) & PF_KTHREAD),
        is_zombie=fields[_STATE].decode() in _GONE_STATES,
        exe=_read_exe(folder),
        argv=_read_argv(folder),
        cgroup=_text(_read_optional(folder / "cgroup")),
    )


def read_start_ticks(pid: int, proc: Path = PROC) -> int:
    """Only the start time, in ticks since boot; raises Vanished."""
    return int(_read_stat(proc / str(pid))[1][_START])


def _read_stat(folder: Path) -> tuple[bytes, list[bytes]]:
    """The name and the fields after it. The name may itself hold spaces, brackets and newlines, so
    it ends at the last bracket."""
    try:
        content = _read(folder / "stat")
    except OSError as error:
        raise Vanished from error
    start, end = content.find(b"("), content.rfind(b")")
    fields = content[end + 1 :].split()
    if start < 0 or end < start or len(fields) <= _START:
        raise Vanished  # the kernel gives an empty file while a process is torn down
    return content[start + 1 : end], fields


def _read_exe(folder: Path) -> str | None:
    try:
        target = os.readlink(os.fsencode(folder / "exe"))
    except OSError:
        return None
    return _text(target).removesuffix(_DELETED) or None


def _read_argv(folder: Path) -> tuple[str, ...]:
    content = _read_optional(folder / "cmdline")
    if not content:
        return ()
    # A process that rewrote its title leaves zeros behind it.
    return tuple(_text(word) for word in content.rstrip(b"\0").split(b"\0"))


def _read_optional(path: Path) -> bytes:
    try:
        return _read(path)
    except OSError:
        return b""


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MAX_COMMAND_LINE_BYTES)
    finally:
        os.close(descriptor)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
