"""Processes of this host, measured with psutil, as OpenTelemetry's process scraper names them.

psutil stays inside this module. Names, identity, start times and what stands beside them come from
`procfs`, in one read; psutil gives the rest. Each process is measured on its own: one
that vanishes, or denies a value, costs nothing but that value. argv leaves this module only as the
derived identity.
"""

import os
import pwd
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import psutil

from collector.errors import SourceError
from collector.model import (
    Attributes,
    AttributeValue,
    Metric,
    Point,
    ProcessIdentity,
    ProcessSnapshot,
    Scope,
)
from collector.sources import procfs
from collector.sources.port import Scan
from collector.sources.procfs import ProcessFacts, StatNumbers, Vanished
from collector.sources.purpose import derive_identity, executable_name
from gateway.clock import Clock
from gateway.wire.classes import (
    EXECUTABLE_NAME,
    EXECUTABLE_PATH,
    IDENTITY,
    IDENTITY_SOURCE,
)

SCOPE = Scope("compliance-gateway/collector/process")
_NANOSECONDS = 1_000_000_000
# What psutil raises for one value of one process; OSError covers what it does not translate.
_REFUSALS = (psutil.AccessDenied, psutil.ZombieProcess, OSError, NotImplementedError, ValueError)

Values = tuple[tuple[int | float, Attributes], ...]
_NO_ATTRIBUTES: Attributes = {}
_USER, _SYSTEM = {"state": "user"}, {"state": "system"}
_READ, _WRITE = {"direction": "read"}, {"direction": "write"}
_VOLUNTARY, _INVOLUNTARY = {"type": "voluntary"}, {"type": "involuntary"}
_MINOR, _MAJOR = {"type": "minor"}, {"type": "major"}


class PsutilSource:
    """Measures every process that this user can see.

    `host` is what the resource of each process says of the host (`host.name` and the like). Raises
    SourceError where there is no Linux /proc.
    """

    def __init__(
        self,
        clock: Clock,
        host: Attributes | None = None,
        list_pids: Callable[[], Iterable[int]] = psutil.pids,
        proc: Path = procfs.PROC,
    ) -> None:
        if not (proc / "self" / "stat").exists():
            raise SourceError(f"{proc}: no process information here; mount proc or run on Linux")
        self._clock = clock
        self._host = dict(host or {})
        self._list_pids = list_pids
        self._proc = proc
        self._nanoseconds_per_tick = _NANOSECONDS // os.sysconf("SC_CLK_TCK")
        # Read once: a later step of the wall clock must not move the start of every series.
        self._processes: dict[ProcessIdentity, psutil.Process] = {}
        self._boot_time_ns = clock.now_us() * 1000 - clock.boottime_ns()

    def scan(self) -> Scan:
        """Measure every process once; raises SourceError when the pids cannot be listed."""
        try:
            pids = list(self._list_pids())
        except (OSError, psutil.Error) as error:
            raise SourceError(
                f"{self._proc}: processes cannot be listed ({type(error).__name__}); "
                "check that proc is mounted and readable"
            ) from error
        snapshots, missed = [], Counter[str]()
        for pid in pids:
            try:
                snapshots.append(self._measure(pid))
            except (Vanished, psutil.NoSuchProcess):
                missed["vanished"] += 1
            except (*_REFUSALS, psutil.Error):
                missed["refused"] += 1
        self._forget_ended(snapshots)
        return Scan(tuple(snapshots), dict(missed))

    def _measure(self, pid: int) -> ProcessSnapshot:
        facts = procfs.read_facts(pid, self._proc)
        identity = ProcessIdentity(pid, facts.start_ticks)
        process = self._processes.get(identity)
        if process is None:
            process = self._processes[identity] = psutil.Process(pid)
        with process.oneshot():
            attributes = self._describe(facts, process)
            metrics = self._read_metrics(facts, process)
        # The numbers are this process's only if the pid was not reused meanwhile.
        if procfs.read_start_ticks(pid, self._proc) != facts.start_ticks:
            raise Vanished
        return ProcessSnapshot(identity, attributes, metrics)

    def _forget_ended(self, snapshots: Iterable[ProcessSnapshot]) -> None:
        alive = {snapshot.identity for snapshot in snapshots}
        self._processes = {key: kept for key, kept in self._processes.items() if key in alive}

    def _describe(self, facts: ProcessFacts, process: psutil.Process) -> Attributes:
        identity, source = derive_identity(facts.comm, facts.exe, facts.argv, facts.cgroup)
        attributes: dict[str, AttributeValue] = {
            **self._host,
            "process.pid": facts.pid,
            "process.parent_pid": facts.parent_pid,
            EXECUTABLE_NAME: executable_name(facts.comm, facts.exe, facts.argv),
            IDENTITY: identity,
            IDENTITY_SOURCE: source,
        }
        if facts.exe is not None:
            attributes[EXECUTABLE_PATH] = facts.exe
        owner = _read_owner(process)
        if owner is not None:
            attributes["process.owner"] = owner
        return attributes

    def _read_metrics(self, facts: ProcessFacts, process: psutil.Process) -> tuple[Metric, ...]:
        time_ns = self._clock.now_us() * 1000
        start_ns = self._boot_time_ns + facts.start_ticks * self._nanoseconds_per_tick
        metrics = []
        for name, unit, monotonic, read in _METRICS:
            try:
                values = read(facts.numbers, process)
            except psutil.NoSuchProcess as error:
                if isinstance(error, psutil.ZombieProcess):
                    continue
                raise
            except (*_REFUSALS, AttributeError):
                continue  # this value is denied, or this kernel does not give it
            points = tuple([Point(value, time_ns, start_ns, given) for value, given in values])
            metrics.append(Metric(name, unit, "sum", points, monotonic))
        return tuple(metrics)


def _read_cpu_time(numbers: StatNumbers, process: psutil.Process) -> Values:
    return (numbers.cpu_user_seconds, _USER), (numbers.cpu_system_seconds, _SYSTEM)


def _read_memory_usage(numbers: StatNumbers, process: psutil.Process) -> Values:
    return ((numbers.resident_bytes, _NO_ATTRIBUTES),)


def _read_memory_virtual(numbers: StatNumbers, process: psutil.Process) -> Values:
    return ((numbers.virtual_bytes, _NO_ATTRIBUTES),)


def _read_disk_io(numbers: StatNumbers, process: psutil.Process) -> Values:
    counters = process.io_counters()
    return (counters.read_bytes, _READ), (counters.write_bytes, _WRITE)


def _read_threads(numbers: StatNumbers, process: psutil.Process) -> Values:
    return ((numbers.threads, _NO_ATTRIBUTES),)


def _read_open_files(numbers: StatNumbers, process: psutil.Process) -> Values:
    return ((process.num_fds(), _NO_ATTRIBUTES),)


def _read_context_switches(numbers: StatNumbers, process: psutil.Process) -> Values:
    switches = process.num_ctx_switches()
    return (switches.voluntary, _VOLUNTARY), (switches.involuntary, _INVOLUNTARY)


def _read_faults(numbers: StatNumbers, process: psutil.Process) -> Values:
    return (numbers.minor_faults, _MINOR), (numbers.major_faults, _MAJOR)


Reader = Callable[[StatNumbers, psutil.Process], Values]
# Name, unit, whether it only rises, how to read it.
_METRICS: tuple[tuple[str, str, bool, Reader], ...] = (
    ("process.cpu.time", "s", True, _read_cpu_time),
    ("process.memory.usage", "By", False, _read_memory_usage),
    ("process.memory.virtual", "By", False, _read_memory_virtual),
    ("process.disk.io", "By", True, _read_disk_io),
    ("process.threads", "{threads}", False, _read_threads),
    ("process.open_file_descriptors", "{count}", False, _read_open_files),
    ("process.context_switches", "{count}", True, _read_context_switches),
    ("process.paging.faults", "{faults}", True, _read_faults),
)


def _read_owner(process: psutil.Process) -> str | None:
    try:
        return _user_name(process.uids().effective)
    except _REFUSALS:
        return None


@lru_cache(maxsize=1024)
def _user_name(uid: int) -> str:
    """Without a name (a container's user) the number is what there is."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
