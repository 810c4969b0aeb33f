"""Cases for the failing disk, and each of their calls failing in turn.

`DISK_RUNS` is how many runs a test makes (`all`: every call in every way), `DISK_SEED` repeats one.
"""

import os
import random
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from errno import EIO, ENOSPC, EROFS
from itertools import count
from pathlib import Path
from typing import TypeVar

from tests.fakes.disk_child import Child, End, Run, Scenario, Told
from tests.fakes.failing_disk import NO_FAULT, Call, FailingDisk, Fault, Kind, Mode
from tests.fakes.power_loss import Before, Machine, Survival

T = TypeVar("T")
_FOREVER = 2**40
WAYS = (
    (Mode.FAIL, 1, EIO),
    (Mode.FAIL, 1, ENOSPC),
    (Mode.FAIL, _FOREVER, EIO),
    (Mode.FAIL, _FOREVER, EROFS),
    (Mode.FAIL, 3, ENOSPC),
    (Mode.PERSISTED, 1, EIO),
    (Mode.PERSISTED, 3, EIO),
    (Mode.KILL_BEFORE, 1, EIO),
    (Mode.KILL_AFTER, 1, EIO),
    (Mode.TORN, 1, EIO),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is done on the disk, what lay there before, and what must hold of what is left:
    `check(folder, told)` starts as always."""

    scenario: Scenario
    check: Callable[[Path, Told], None]
    prepare: Callable[[Path], None] | None = None

    def __str__(self) -> str:
        return self.scenario.__name__


@dataclass(frozen=True, slots=True)
class Try:
    """A run, the folder that it left, and what had been there."""

    run: Run
    folder: Path
    before: Before


@dataclass(frozen=True, slots=True)
class Death:
    """The machine dies after `point` calls of a run."""

    point: int
    survival: Survival
    seed: int


class Bench:
    """Runs one case again and again, each time on a new disk in `place`."""

    def __init__(self, case: Case, child: Child, place: Path) -> None:
        self.case = case
        self._child = child
        self._place = place
        self._numbers = count()
        self._before = place / "before"
        self._before.mkdir()
        if case.prepare is not None:
            case.prepare(self._before)

    def run(self, fault: Fault = NO_FAULT) -> Try:
        """Run the case once, on a new disk."""
        folder = self._new_folder("disk")
        shutil.copytree(self._before, folder)
        before = Before.of(folder)
        disk = FailingDisk(folder, folder.with_suffix(".machinery"), fault)
        run = self._child.run(disk, self.case.scenario)
        disk.close()
        return Try(run, folder, before)

    def strike(self, fault: Fault, randomness: random.Random) -> None:
        """One run with the fault; then the process starts as always, and in a copy of the disk the
        machine died at some moment after the fault."""
        made = self.run(fault)
        calls = made.run.calls
        struck = next((at for at, call in enumerate(calls) if call.is_planted), None)
        where = f"{self.case}, {fault}: {'' if struck is None else calls[struck]}"
        if fault.times == 1 and made.run.end is End.FINISHED:
            assert len(made.run.told.of("unanswered")) <= 1, where  # it goes on by itself
        if struck is not None:
            point = randomness.randint(struck + 1, len(calls))
            survival = randomness.choice((Survival.NOTHING, Survival.NAMES, Survival.SOME))
            self.die(made, Death(point, survival, randomness.randrange(2**32)), where)
        self._check(made.folder, made.run.told, where)

    def die(self, made: Try, death: Death, where: str = "no fault") -> None:
        """The machine dies in the middle of that run; then it starts as always."""
        machine = Machine(made.before, death.seed if death.survival is Survival.SOME else None)
        machine.take(made.run.calls[: death.point])
        folder = self._new_folder("dead")
        folder.mkdir()
        machine.write_image(folder, death.survival, death.seed)
        self._check(folder, Told.read(machine.marks), f"{self.case}, {death}, {where}")

    def _new_folder(self, name: str) -> Path:
        return self._place / f"{name}-{next(self._numbers)}"

    def _check(self, folder: Path, told: Told, where: str) -> None:
        try:
            self.case.check(folder, told)
        except BaseException as error:
            error.add_note(where)
            error.add_note(f"the folder: {folder}")
            raise
        shutil.rmtree(folder)


def faults_of(calls: Sequence[Call], randomness: random.Random) -> list[Fault]:
    """Every counted call in every way; or a sample, over each kind of call on each file."""
    whole = [
        (call, Fault(mode, call.number, times, error))
        for call in calls
        if call.number
        for mode, times, error in WAYS
    ]
    chosen = sample(whole, lambda pair: (pair[0].kind, Path(pair[0].path).name), randomness)
    return [fault for _, fault in chosen]


def deaths_of(calls: Sequence[Call], randomness: random.Random) -> list[Death]:
    """The moments that differ: what no fsync covers goes just before the next one; parts of it go
    at any moment."""
    syncs = [at for at, call in enumerate(calls) if call.kind is Kind.SYNC] + [len(calls)]
    whole = [
        Death(point, survival, 0)
        for point in syncs
        for survival in (Survival.NOTHING, Survival.NAMES, Survival.EVERYTHING)
    ]
    whole += [
        Death(point, Survival.SOME, randomness.randrange(2**32)) for point in range(len(calls) + 1)
    ]
    return sample(whole, lambda death: death.survival, randomness)


def sample(whole: Sequence[T], layer: Callable[[T], object], randomness: random.Random) -> list[T]:
    """All, or as many as `DISK_RUNS` says, drawn in turn from each layer."""
    wanted = os.environ.get("DISK_RUNS", "3")
    if wanted == "all":
        return list(whole)
    layers: dict[object, list[T]] = {}
    for item in whole:
        layers.setdefault(layer(item), []).append(item)
    rows = list(layers.values())
    randomness.shuffle(rows)
    for row in rows:
        randomness.shuffle(row)
    return list(_in_turn(rows))[: int(wanted)]


def seeded(name: str) -> random.Random:
    """Randomness whose seed is printed, to run it again."""
    seed = int(os.environ.get("DISK_SEED", secrets.randbelow(2**32)))
    sys.stdout.write(f"{name}: DISK_SEED={seed}\n")
    return random.Random(seed)


def _in_turn(rows: list[list[T]]) -> Iterator[T]:
    while rows:
        for row in rows:
            yield row.pop()
        rows = [row for row in rows if row]
