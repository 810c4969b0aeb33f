"""Running a command and watching the memory of it and its children."""

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Watched:
    """What a command wrote to standard output and cost; `peak_mb` is the most that it and its
    children held at once, shared pages counted once for each."""

    code: int
    output: str
    seconds: float
    peak_mb: float


def run_watched(command: Sequence[str], timeout_seconds: float = 900) -> Watched:
    """Run to the end."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    try:
        output, _ = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    seconds = time.perf_counter() - started
    watcher.join()
    return Watched(process.returncode, output, seconds, peak[0] / 1_000_000)


def _watch(pid: int, peak: list[int]) -> None:
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            peak[0] = max(peak[0], sum(_resident(one) for one in _family(process)))
            time.sleep(_LOOK_SECONDS)
    except psutil.Error:
        return


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
