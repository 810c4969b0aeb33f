"""Real processes, in each shape that has broken a scraper."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from collector.errors import SourceError
from collector.model import ProcessSnapshot, Resource, ResourceMetrics, to_otlp_json
from collector.sources import procfs
from collector.sources.psutil_source import SCOPE, PsutilSource
from gateway.clock import ManualClock, SystemClock

NOBODY = 65534
Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that lasts until the test's end and gives its pid."""
    running: list[subprocess.Popen[bytes]] = []

    def launch(*words: str | bytes, **options: Any) -> int:
        running.append(subprocess.Popen(words, **options))
        return running[-1].pid

    yield launch
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def sleeper(tmp_path: Path, start: Start) -> Callable[[str], int]:
    """Starts a copy of sleep under another name."""

    def launch(name: str) -> int:
        shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / name)
        return start(str(tmp_path / name), "60")

    return launch


def scan_one(pid: int, **options: Any) -> ProcessSnapshot:
    scan = PsutilSource(SystemClock(), list_pids=lambda: [pid], **options).scan()
    assert scan.missed == {}
    return scan.snapshots[0]


def identity_of(pid: int) -> tuple[object, object]:
    attributes = scan_one(pid).attributes
    return (
        attributes["compliance.process.identity"],
        attributes["compliance.process.identity_source"],
    )


def test_every_process_of_this_machine_is_measured() -> None:
    source = PsutilSource(SystemClock(), {"host.name": "here"})
    scan = source.scan()
    own = next(s for s in scan.snapshots if s.identity.pid == os.getpid())
    assert own.attributes["host.name"] == "here"
    assert own.attributes["process.owner"] == psutil.Process().username()
    assert own.attributes["process.parent_pid"] == os.getppid()
    assert {metric.name for metric in own.metrics} == {
        "process.cpu.time",
        "process.memory.usage",
        "process.memory.virtual",
        "process.disk.io",
        "process.threads",
        "process.open_file_descriptors",
        "process.context_switches",
        "process.paging.faults",
    }
    identities = [snapshot.identity for snapshot in scan.snapshots]
    assert len(set(identities)) == len(identities)
    for snapshot in scan.snapshots:
        item = ResourceMetrics(Resource(snapshot.attributes), SCOPE, snapshot.metrics)
        json.dumps(to_otlp_json([item]), allow_nan=False).encode()


def test_cpu_time_is_counted_from_the_process_s_start_and_never_a_rate() -> None:
    before = time.time_ns()
    busy = time.process_time()
    while time.process_time() - busy < 0.05:
        pass
    cpu = next(m for m in scan_one(os.getpid()).metrics if m.name == "process.cpu.time")
    spent = {point.attributes["state"]: point.value for point in cpu.points}
    times = psutil.Process().cpu_times()
    assert spent["user"] == pytest.approx(times.user, abs=0.5)
    assert spent["user"] > 0
    assert (cpu.kind, cpu.monotonic, cpu.unit) == ("sum", True, "s")
    created = int(psutil.Process().create_time() * 1e9)
    assert abs(cpu.points[0].start_time_ns - created) < 2_000_000_000
    assert cpu.points[0].time_ns >= before - 1_000_000


def test_a_step_of_the_wall_clock_changes_neither_identity_nor_the_start_of_series() -> None:
    clock = ManualClock()
    source = PsutilSource(clock, list_pids=lambda: [os.getpid()])
    first = source.scan().snapshots[0]
    clock.wall_us -= 3_600_000_000
    second = source.scan().snapshots[0]
    assert second.identity == first.identity
    starts = [s.metrics[0].points[0].start_time_ns for s in (first, second)]
    assert starts[0] == starts[1]


def test_an_interpreter_is_named_by_what_it_runs(tmp_path: Path, start: Start) -> None:
    script = tmp_path / "patient-data-service.py"
    script.write_text("import time; time.sleep(60)")
    pid = start(sys.executable, "-W", "error", str(script), "--password=hunter2")
    assert identity_of(pid) == ("patient-data-service", "argv")
    assert "hunter2" not in repr(scan_one(pid))


def test_inline_code_has_no_purpose_and_its_argv_goes_nowhere(start: Start) -> None:
    pid = start(sys.executable, "-c", "import time; time.sleep(60)", "--password=hunter2")
    snapshot = scan_one(pid)
    assert snapshot.attributes["compliance.process.identity_source"] in ("interpreter", "systemd")
    assert "hunter2" not in repr(snapshot)
    assert "time.sleep" not in repr(snapshot)


@pytest.mark.parametrize(
    "name", ["payment-gateway-eu-west-1", "log shipper (v2) [x]", "a) S 1 (b", "fünfzehn-zeichen-ü"]
)
def test_a_binary_has_its_whole_name_whatever_the_kernel_cut(
    name: str, sleeper: Callable[[str], int]
) -> None:
    pid = sleeper(name)
    assert identity_of(pid) == (name, "executable")
    assert scan_one(pid).attributes["process.executable.name"] == name


def test_a_binary_cannot_rename_itself_by_argv(tmp_path: Path, start: Start) -> None:
    shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / "payment-gateway-eu")
    pid = start("log-shipper", "60", executable=str(tmp_path / "payment-gateway-eu"))
    assert identity_of(pid) == ("payment-gateway-eu", "executable")


def test_a_binary_cannot_rename_itself_by_prctl(start: Start) -> None:
    code = (
        "import ctypes, time; ctypes.CDLL(None).prctl(15, b'log-shipper-abcdef', 0, 0, 0); "
        "print('named', flush=True); time.sleep(60)"
    )
    reader, writer = os.pipe()
    pid = start(sys.executable, "-c", code, stdout=writer)
    assert os.read(reader, 5) == b"named"
    os.close(reader)
    os.close(writer)
    assert procfs.read_facts(pid).comm == "log-shipper-abc"
    name = scan_one(pid).attributes["process.executable.name"]
    assert str(name).startswith("python")


def test_a_command_line_that_is_no_utf_8_loses_nothing(start: Start) -> None:
    pid = start(sys.executable.encode(), b"-c", b"import time; time.sleep(60)", b"\xff\xfe\x80")
    snapshot = scan_one(pid)
    assert snapshot.point_count > 0
    repr(snapshot).encode()


def test_an_executable_whose_name_is_no_utf_8_is_measured(tmp_path: Path, start: Start) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    shutil.copy(os.fsencode(shutil.which("sleep") or "/bin/sleep"), path)
    snapshot = scan_one(start(path, b"60"))
    assert snapshot.attributes["process.executable.name"] == "caf\ufffd"
    json.dumps(to_otlp_json([ResourceMetrics(Resource(snapshot.attributes), SCOPE, ())])).encode()


def test_a_deleted_executable_keeps_its_name(tmp_path: Path, sleeper: Callable[[str], int]) -> None:
    pid = sleeper("payment-gateway-eu")
    (tmp_path / "payment-gateway-eu").unlink()
    assert identity_of(pid) == ("payment-gateway-eu", "executable")


def test_a_zombie_is_known_by_what_is_left_of_it() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert procfs.read_facts(process.pid).is_zombie
        scan = PsutilSource(SystemClock(), list_pids=lambda: [process.pid]).scan()
    assert scan.missed == {}
    assert scan.snapshots[0].attributes["compliance.process.identity"] == "true"
    assert scan.snapshots[0].point_count > 0


def test_processes_that_vanish_are_counted_and_cost_the_others_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    source = PsutilSource(SystemClock(), list_pids=lambda: [process.pid, os.getpid()])
    scan = source.scan()
    assert [s.identity.pid for s in scan.snapshots] == [os.getpid()]
    assert scan.missed == {"vanished": 1}


def test_a_pid_reused_in_the_middle_of_a_scan_is_not_mixed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(procfs, "read_start_ticks", lambda pid, proc: 1)
    scan = PsutilSource(SystemClock(), list_pids=lambda: [os.getpid()]).scan()
    assert scan.snapshots == ()
    assert scan.missed == {"vanished": 1}


def test_one_value_denied_costs_that_value_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "io_counters", deny)
    monkeypatch.setattr(psutil.Process, "num_fds", deny)
    snapshot = scan_one(os.getpid())
    names = {metric.name for metric in snapshot.metrics}
    assert not names & {"process.disk.io", "process.open_file_descriptors"}
    assert {"process.cpu.time", "process.context_switches"} <= names


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_s_process_is_known_by_what_it_shows(
    sleeper: Callable[[str], int],
) -> None:
    pids = [sleeper("payment-gateway-eu"), sleeper("log-shipper")]
    attributes = _scan_as_nobody(pids)
    assert [a.get("process.executable.path") for a in attributes] == [None, None]
    assert [
        (a["compliance.process.identity"], a["compliance.process.identity_source"])
        for a in attributes
    ] == [("payment-gateway-eu", "argv"), ("log-shipper", "executable")]


def _scan_as_nobody(pids: list[int]) -> list[dict[str, Any]]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # readable again after the change of user
            scan = PsutilSource(SystemClock(), list_pids=lambda: pids).scan()
            os.write(writer, json.dumps([dict(s.attributes) for s in scan.snapshots]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as result:
        answer: list[dict[str, Any]] = json.loads(result.read())
    return answer


def test_kernel_threads_are_measured_where_they_show() -> None:
    scan = PsutilSource(SystemClock()).scan()
    for snapshot in scan.snapshots:
        try:
            facts = procfs.read_facts(snapshot.identity.pid)
        except procfs.Vanished:
            continue
        if facts.is_kernel_thread:
            assert "process.executable.path" not in snapshot.attributes
            assert snapshot.attributes["compliance.process.identity"]


def test_without_proc_the_source_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="mount proc or run on Linux"):
        PsutilSource(SystemClock(), proc=tmp_path)


def test_pids_that_cannot_be_listed_are_a_source_error() -> None:
    def refuse() -> list[int]:
        raise PermissionError

    with pytest.raises(SourceError, match="processes cannot be listed"):
        PsutilSource(SystemClock(), list_pids=refuse).scan()
