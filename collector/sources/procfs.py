"""What Linux says of a process in /proc, read as bytes and parsed once (proc(5)).

psutil is not asked for these: its start time mixes in the wall clock, its name guesses from argv,
it decodes command lines with lone surrogates, and it reads a file again for each number.
"""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PF_KTHREAD = 0x0020_0000  # include/linux/sched.h
# Fields after the name, counted from the state.
_STATE, _PARENT, _FLAGS, _MINOR_FAULTS, _MAJOR_FAULTS, _USER, _SYSTEM = 0, 1, 6, 7, 9, 11, 12
_THREADS, _START, _VIRTUAL, _RESIDENT = 17, 19, 20, 21
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_DELETED = " (deleted)"
_MAX_COMMAND_LINE_BYTES = 64 * 1024
_GONE_STATES = frozenset("ZXx")


class Vanished(Exception):  # noqa: N818 - a state of the world, not a defect
    """The process ended before it could be read."""


@dataclass(frozen=True, slots=True)
class StatNumbers:
    """What the kernel counts of a process, from the same read as its start time."""

    cpu_user_seconds: float
    cpu_system_seconds: float
    threads: int
    minor_faults: int
    major_faults: int
    virtual_bytes: int
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process's names, lineage and first numbers. `start_ticks` counts from boot on the
    boot-time clock. `exe` is None where it cannot be learned; `argv` is empty for kernel
    threads, zombies and processes that wiped it. Text holds U+FFFD for bytes that are no UTF-8."""

    pid: int
    start_ticks: int
    parent_pid: int
    comm: str
    is_kernel_thread: bool
    is_zombie: bool
    exe: str | None
    argv: tuple[str, ...]
    cgroup: str
    numbers: StatNumbers


def read_facts(pid: int, proc: Path = PROC) -> ProcessFacts:
    """Read one process; raises Vanished when it is gone. What another user's denies is left out."""
    folder = f"{proc}/{pid}"
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
        cgroup=_text(_read_optional(f"{folder}/cgroup")),
        numbers=_parse_numbers(fields),
    )


def read_start_ticks(pid: int, proc: Path = PROC) -> int:
    """Only the start time, in ticks since boot; raises Vanished."""
    return int(_read_stat(f"{proc}/{pid}")[1][_START])


def _parse_numbers(fields: list[bytes]) -> StatNumbers:
    return StatNumbers(
        cpu_user_seconds=int(fields[_USER]) / _TICKS_PER_SECOND,
        cpu_system_seconds=int(fields[_SYSTEM]) / _TICKS_PER_SECOND,
        threads=int(fields[_THREADS]),
        minor_faults=int(fields[_MINOR_FAULTS]),
        major_faults=int(fields[_MAJOR_FAULTS]),
        virtual_bytes=int(fields[_VIRTUAL]),
        resident_bytes=int(fields[_RESIDENT]) * _PAGE_BYTES,
    )


def _read_stat(folder: str) -> tuple[bytes, list[bytes]]:
    """The name and the fields after it. The name may itself hold spaces, brackets and newlines, so
    it ends at the last bracket."""
    try:
        content = _read(f"{folder}/stat")
    except OSError as error:
        raise Vanished from error
    start, end = content.find(b"("), content.rfind(b")")
    fields = content[end + 1 :].split()
    if start < 0 or end < start or len(fields) <= _RESIDENT:
        raise Vanished  # the kernel gives an empty file while a process is torn down
    return content[start + 1 : end], fields


def _read_exe(folder: str) -> str | None:
    try:
        target = os.readlink(f"{folder}/exe".encode())
    except OSError:
        return None
    return _text(target).removesuffix(_DELETED) or None


def _read_argv(folder: str) -> tuple[str, ...]:
    content = _read_optional(f"{folder}/cmdline")
    if not content:
        return ()
    # A process that rewrote its title leaves zeros behind it.
    return tuple(_text(word) for word in content.rstrip(b"\0").split(b"\0"))


def _read_optional(path: str) -> bytes:
    try:
        return _read(path)
    except OSError:
        return b""


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MAX_COMMAND_LINE_BYTES)
    finally:
        os.close(descriptor)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
