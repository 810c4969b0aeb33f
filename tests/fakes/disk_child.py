"""A process on a failing disk, driven from a test: it imports once, then forks for each run.

Started as `python -m tests.fakes.disk_child` with the library preloaded. Each line of its input is
a JSON list `[folder, control, trace, scenario]`, each line of its output the status of the run.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import IO

from gateway.errors import GatewayError
from tests.fakes.failing_disk import Call, FailingDisk, Kind, Levers, begin_here, library, mark_here

_SECONDS = 60
_REFUSED = 3
_DEFECT = 70


class End(Enum):
    """How a run ended."""

    FINISHED = "finished"
    REFUSED = "refused"  # an error of the product's tree, as a command would end with
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class World:
    """What a scenario is given: the folder on the disk, and the disk's levers."""

    folder: Path
    levers: Levers

    def tell(self, what: str, **values: object) -> None:
        """Say something that leaves the process at this moment: an answer, a note."""
        mark_here(json.dumps({"what": what, **values}).encode())


@dataclass(frozen=True, slots=True)
class Told:
    """What left a process, by kind of telling, in order."""

    tellings: tuple[dict[str, object], ...] = ()

    @classmethod
    def read(cls, marks: list[bytes]) -> "Told":
        """Of the marks in a trace."""
        return cls(tuple(json.loads(mark) for mark in marks))

    def of(self, what: str) -> list[dict[str, object]]:
        """The tellings of one kind."""
        return [telling for telling in self.tellings if telling["what"] == what]


Scenario = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a scenario on a disk."""

    end: End
    calls: list[Call] = field(repr=False)

    @property
    def told(self) -> Told:
        """What left the process."""
        return Told.read([call.data for call in self.calls if call.kind is Kind.MARK])

    @property
    def struck(self) -> list[Call]:
        """The calls at which the fault was."""
        return [call for call in self.calls if call.is_planted]


class Child:
    """The process that forks."""

    def __init__(self, words: Path) -> None:
        self._words = words
        with words.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.disk_child"],
                env={**os.environ, "LD_PRELOAD": str(library())},
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
            )

    def run(self, disk: FailingDisk, scenario: Scenario) -> Run:
        """Run the scenario on the disk; fails the test when it ends as the product never must."""
        name = f"{scenario.__module__}:{scenario.__name__}"
        words = [str(disk.folder), str(disk.control), str(disk.trace), name]
        said = _pipe(self._process.stdin)
        said.write(json.dumps(words) + "\n")
        said.flush()
        status = int(_pipe(self._process.stdout).readline() or _DEFECT)
        ends = {0: End.FINISHED, _REFUSED: End.REFUSED, -signal.SIGKILL: End.KILLED}
        assert status in ends, f"status {status}: {self._words.read_text()[-3000:]}"
        return Run(ends[status], disk.calls())

    def close(self) -> None:
        """End the process."""
        _pipe(self._process.stdin).close()
        self._process.wait(10)
        _pipe(self._process.stdout).close()


@contextlib.contextmanager
def child(place: Path) -> Iterator[Child]:
    """A child whose words go to a file in `place`."""
    made = Child(place / "words")
    try:
        yield made
    finally:
        made.close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _serve() -> None:
    for line in sys.stdin:
        folder, control, trace, name = json.loads(line)
        module, _, function = name.partition(":")
        scenario: Scenario = getattr(import_module(module), function)
        pid = os.fork()
        if pid == 0:
            os._exit(_run(folder, control, trace, scenario))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(folder: str, control: str, trace: str, scenario: Scenario) -> int:
    signal.alarm(_SECONDS)
    begin_here(folder, control, trace)
    try:
        asyncio.run(_await(scenario, World(Path(folder), Levers(Path(control)))))
    except GatewayError as error:
        mark_here(json.dumps({"what": "refused", "why": str(error)}).encode())
        return _REFUSED
    except BaseException:  # noqa: BLE001 - to be seen by the test
        traceback.print_exc()
        return _DEFECT
    return 0


async def _await(scenario: Scenario, world: World) -> None:
    await scenario(world)


if __name__ == "__main__":
    ctypes.CDLL(None).failing_disk_begin  # noqa: B018 - the library must be there
    _serve()
