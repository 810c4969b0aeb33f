"""Tries mutants side by side within a time budget, and tells how far it is."""

import hashlib
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.judge import Corpus, Judge, Judgement
from tests.mutants.mutant import Mutant
from tests.mutants.rego import mutate_module
from tests.mutants.tables import mutate_table

ROOTS = ("lib", "main", "rules")
REGO_PER_DATA = 3


class UnsoundError(Exception):
    """The unchanged policies fail their own tests or the corpus."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`wanted` compiling mutants are enough (None: all); `budget_seconds` from the start."""

    opa: Path
    policies: Path
    corpus: Corpus | None
    seed: int
    wanted: int | None = None
    budget_seconds: float = 3600.0
    workers: int = 2


@dataclass(slots=True)
class Progress:
    """What has been done so far; `judged` counts mutants that compile."""

    candidates: int
    started: float = field(default_factory=time.monotonic)
    tried: int = 0
    judged: int = 0
    survived: int = 0

    def note(self, judgement: Judgement) -> None:
        self.tried += 1
        self.judged += judgement.state != "stillborn"
        self.survived += judgement.state == "survived"

    def line(self, wanted: int | None) -> str:
        """One line: how many, how fast, how long to go."""
        elapsed = max(time.monotonic() - self.started, 0.001)
        rate = self.tried / elapsed
        done, goal = (self.tried, self.candidates) if wanted is None else (self.judged, wanted)
        left = (goal - done) / max(done / elapsed, 0.001)
        return (
            f"{done:5d} of {goal} mutants, {self.survived} survived, "
            f"{rate:.1f}/s, {left:.0f} s left"
        )


def make_mutants(opa: Path, policies: Path) -> list[Mutant]:
    """Every candidate of what verdicts depend on, in the order of paths and lines."""
    found: list[Mutant] = []
    for path in sorted(policies.rglob("*.rego")):
        is_test = path.name.endswith("_test.rego")
        if path.relative_to(policies).parts[0] in ROOTS and not is_test:
            found += mutate_module(opa, policies, str(path.relative_to(policies)))
    for path in sorted((policies / "data").rglob("data.yaml")):
        found += mutate_table(policies, str(path.relative_to(policies)))
    return found


def judge_mutants(
    plan: Plan, mutants: Sequence[Mutant], show: Callable[[Progress], None]
) -> Iterator[Judgement]:
    """Judgements as they come, in an order that the seed decides; fewer than there are mutants
    when enough were judged or the budget is spent. Raises UnsoundError."""
    order = _order(plan.seed, mutants)
    progress = Progress(len(order))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        judges = _judges(plan, Path(folder))
        stop = threading.Event()
        with ThreadPoolExecutor(plan.workers) as pool:
            waiting = [pool.submit(_try, judges, mutant, stop) for mutant in order]
            try:
                yield from _collect(plan, waiting, progress, show)
            finally:
                stop.set()
                for future in waiting:
                    future.cancel()


def _order(seed: int, mutants: Sequence[Mutant]) -> list[Mutant]:
    """Three of Rego, one of data, and so on: rows are many and alike. A mutant's place depends on
    what it is, so that another edit of the policies does not draw a wholly different sample."""
    ranked = sorted(
        mutants, key=lambda one: hashlib.sha256(f"{seed} {one.identity}".encode()).digest()
    )
    rego = [one for one in ranked if one.path.endswith(".rego")]
    data = [one for one in ranked if not one.path.endswith(".rego")]
    order: list[Mutant] = []
    while rego and data:
        order += [*rego[:REGO_PER_DATA], data.pop(0)]
        del rego[:REGO_PER_DATA]
    return [*order, *rego, *data]


def _judges(plan: Plan, folder: Path) -> "queue.SimpleQueue[Judge]":
    judges: queue.SimpleQueue[Judge] = queue.SimpleQueue()
    for number in range(plan.workers):
        own = folder / str(number)
        own.mkdir()
        judges.put(Judge(plan.opa, plan.policies, own, plan.corpus))
    judge = judges.get()
    if not judge.is_sound():
        raise UnsoundError("the unchanged policies fail their tests or the golden corpus")
    judges.put(judge)
    return judges


def _try(
    judges: "queue.SimpleQueue[Judge]", mutant: Mutant, stop: threading.Event
) -> Judgement | None:
    if stop.is_set():
        return None
    judge = judges.get()
    try:
        return judge.judge(mutant)
    finally:
        judges.put(judge)


def _collect(
    plan: Plan,
    waiting: Sequence["Future[Judgement | None]"],
    progress: Progress,
    show: Callable[[Progress], None],
) -> Iterator[Judgement]:
    # In the order of the seed, so that a sample is the same mutants however the threads run.
    for future in waiting:
        left = plan.budget_seconds - (time.monotonic() - progress.started)
        try:
            judgement = future.result(timeout=max(left, 0.0))
        except TimeoutError:
            return
        if judgement is not None:
            progress.note(judgement)
            show(progress)
            yield judgement
        if plan.wanted is not None and progress.judged >= plan.wanted:
            return
