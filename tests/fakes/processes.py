"""Processes in memory, for tests of what follows a source."""

from collections.abc import Sequence

from collector.assessment import Wish
from collector.model import Metric, Point, ProcessIdentity, ProcessSnapshot
from collector.sources.port import Scan
from gateway.wire.classes import EXECUTABLE_NAME, IDENTITY, IDENTITY_SOURCE


def snapshot(
    name: str,
    pid: int,
    points: int = 3,
    source: str = "executable",
    extra: dict[str, str] | None = None,
) -> ProcessSnapshot:
    """A process that is called `name`, with that many points."""
    metric = Metric(
        name="process.cpu.time",
        unit="s",
        kind="sum",
        points=tuple(Point(float(at), 1_000, 1) for at in range(points)),
        monotonic=True,
    )
    named = {EXECUTABLE_NAME: name, IDENTITY: name, IDENTITY_SOURCE: source}
    return ProcessSnapshot(ProcessIdentity(pid, 100 + pid), {**named, **(extra or {})}, (metric,))


class FakeSource:
    """Gives the processes that a test has put in."""

    def __init__(self, snapshots: Sequence[ProcessSnapshot] = ()) -> None:
        self.snapshots = list(snapshots)

    def scan(self) -> Scan:
        return Scan(tuple(self.snapshots), {})


class FakeAssessor:
    """Wishes by executable name; drops what it has no wish for."""

    def __init__(self, wishes: dict[str, Wish] | None = None) -> None:
        self.wishes = wishes or {}

    def assess(self, snapshot: ProcessSnapshot) -> Wish:
        name = str(snapshot.attributes[EXECUTABLE_NAME])
        return self.wishes.get(name, Wish("drop", score=0.1, profile="balanced"))
