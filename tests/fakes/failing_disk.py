"""A disk that fails when told to: tests/faults/failing_disk compiled with this machine's compiler,
its control block and its trace."""

import atexit
import ctypes
import errno
import functools
import mmap
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "faults" / "failing_disk"
_FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Werror", "-fPIC", "-shared", "-U_FORTIFY_SOURCE")
_CONTROL = struct.Struct("=9q")
_RECORD = struct.Struct("=IIIiqqqIIII")
_FOREVER = 2**62


class Kind(IntFlag):
    """Kinds of calls that change files; OPEN is an opening for writing that changes nothing."""

    NONE = 0
    WRITE = 1
    SYNC = 2
    TRUNCATE = 4
    RENAME = 8
    UNLINK = 16
    CREATE = 32
    OPEN = 64
    FOLDER = 128
    LINK = 256
    MARK = 512


CHANGES = (
    Kind.WRITE | Kind.SYNC | Kind.TRUNCATE | Kind.RENAME | Kind.UNLINK | Kind.CREATE | Kind.FOLDER
) | Kind.LINK


class Mode(IntEnum):
    """What happens at a call."""

    NONE = 0
    FAIL = 1  # nothing is done, the error is told
    PERSISTED = 2  # all is done, the error is told
    KILL_BEFORE = 3
    KILL_AFTER = 4
    TORN = 5  # half of a write is done, then the process is killed


class Flag(IntFlag):
    """How a call ended; both DONE and FAILED: done, and told that it failed."""

    DONE = 1
    FAILED = 2
    PLANTED = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the `at`-th (from 1) call of `kinds`, and the `times - 1` after it."""

    mode: Mode
    at: int = 1
    times: int = 1
    error: int = errno.EIO
    kinds: Kind = CHANGES

    def __str__(self) -> str:
        name = errno.errorcode[self.error]
        return f"{self.mode.name} at call {self.at} (times {self.times}, {name})"


NO_FAULT = Fault(Mode.NONE)


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the trace. `offset` is the new size for TRUNCATE, `number` 0 where the call did
    not count, `data` what was written (or marked)."""

    kind: Kind
    flags: Flag
    error: int
    number: int
    inode: int
    offset: int
    path: str
    other: str
    data: bytes = field(repr=False)

    @property
    def is_done(self) -> bool:
        """Whether it took effect, whatever the caller was told."""
        return Flag.DONE in self.flags

    @property
    def is_planted(self) -> bool:
        """Whether the fault was at it."""
        return Flag.PLANTED in self.flags


class Levers:
    """The control block in the file `control`, which every process on the disk shares."""

    def __init__(self, control: Path) -> None:
        with control.open("r+b") as file:
            self._block = mmap.mmap(file.fileno(), _CONTROL.size)

    @property
    def number(self) -> int:
        """How many calls of the fault's kinds there were so far."""
        found: int = struct.unpack_from("=q", self._block, 8 * _FIELDS.index("calls"))[0]
        return found

    def plan(self, fault: Fault) -> None:
        """From now on this fault; `at` counts from the beginning (`number`)."""
        last = min(fault.at + fault.times - 1, _FOREVER)
        self._set(mode=0)
        self._set(kinds=int(fault.kinds), first=fault.at, last=last, error=fault.error)
        self._set(mode=int(fault.mode))

    def fail(self, error: int, kinds: Kind = CHANGES) -> None:
        """Every such call fails, until `heal`."""
        self.plan(Fault(Mode.FAIL, at=1, times=_FOREVER, error=error, kinds=kinds))

    def slow(self, seconds: float, kinds: Kind = Kind.SYNC) -> None:
        """Each call of these kinds takes so long, until `heal`."""
        self._set(delay_us=round(seconds * 1e6), delay_kinds=int(kinds))

    def leave_room(self, size_bytes: int) -> None:
        """Files may grow by so much in all, then the disk is full, until `heal`."""
        self._set(space=size_bytes)

    def heal(self) -> None:
        """Every call works, at once, and there is room."""
        self.plan(NO_FAULT)
        self._set(space=-1, delay_us=0)

    def close(self) -> None:
        """Let go of the block."""
        self._block.close()

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            struct.pack_into("=q", self._block, 8 * _FIELDS.index(name), value)


class FailingDisk:
    """The disk below `folder`, for the processes that are started with `environment`. The files of
    the machinery lie in `place`, which is elsewhere."""

    def __init__(self, folder: Path, place: Path, fault: Fault = NO_FAULT) -> None:
        place.mkdir(exist_ok=True)
        self.folder = folder.resolve()
        self.control = place / "control"
        self.trace = place / "trace"
        self.control.write_bytes(bytes(_CONTROL.size))
        self.levers = Levers(self.control)
        self.levers.heal()
        self.levers.plan(fault)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs in its environment to run on this disk."""
        return {
            "LD_PRELOAD": str(library()),
            "FAILING_DISK_FOLDER": str(self.folder),
            "FAILING_DISK_CONTROL": str(self.control),
            "FAILING_DISK_TRACE": str(self.trace),
        }

    def calls(self) -> list[Call]:
        """The trace so far."""
        return list(read_trace(self.trace)) if self.trace.exists() else []

    def close(self) -> None:
        """Let go of the control block."""
        self.levers.close()


_FIELDS = (
    *("kinds", "calls", "first", "last", "mode", "error"),
    *("delay_kinds", "delay_us", "space"),
)


def read_trace(path: Path) -> Iterator[Call]:
    """The calls of a trace in order; one that a kill cut off is left out."""
    whole = path.read_bytes()
    at = 0
    while at + _RECORD.size <= len(whole):
        size, kind, flags, error, number, inode, offset, *sizes = _RECORD.unpack_from(whole, at)
        if at + size > len(whole):
            return
        rest = whole[at + _RECORD.size : at + size]
        name, other = sizes[0], sizes[1]
        yield Call(
            kind=Kind(kind),
            flags=Flag(flags),
            error=error,
            number=number,
            inode=inode,
            offset=offset,
            path=os.fsdecode(rest[:name]),
            other=os.fsdecode(rest[name : name + other]),
            data=rest[name + other :],
        )
        at += size


def why_not() -> str | None:
    """Why there can be no failing disk here, or None."""
    if sys.platform != "linux" or platform.architecture()[0] != "64bit":
        return f"a failing disk needs 64-bit Linux (LD_PRELOAD), this is {sys.platform}"
    if compiler() is None:
        return "a failing disk needs a C compiler: `make faults-disk` says how to get one"
    return None


def compiler() -> str | None:
    """The machine's C compiler."""
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@functools.cache
def library() -> Path:
    """The compiled library, in a folder that goes with this process."""
    found = compiler()
    assert found is not None, why_not()
    place = tempfile.mkdtemp(prefix="failing-disk-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    target = Path(place) / "failing_disk.so"
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    command = [found, *_FLAGS, "-o", str(target), *sources, "-lpthread"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, f"{' '.join(command)}\n{made.stderr}"
    return target


def begin_here(disk_folder: str, control: str, trace: str) -> None:
    """Put this process, which has the library preloaded, on the disk."""
    loaded = ctypes.CDLL(None)
    names = [os.fsencode(name) for name in (disk_folder, control, trace)]
    assert loaded.failing_disk_begin(*names) == 0, "the failing disk cannot begin"


def mark_here(data: bytes) -> None:
    """Put words into the trace, in order with this process's calls."""
    ctypes.CDLL(None).failing_disk_mark(data, ctypes.c_size_t(len(data)))
