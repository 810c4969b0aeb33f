"""One policy asked about many classes at once: batched, each question once, with few at a time, so
that a gateway that serves beside it goes on serving."""

import asyncio
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import Clock
from gateway.decisions.evaluation import settle_class
from gateway.decisions.exceptions import NONE_GRANTED, Exceptions
from gateway.decisions.floor import Floor
from gateway.decisions.verdict import Settled
from gateway.decisions.windows import Schedule
from gateway.engine.port import Engine, EngineFailure
from gateway.errors import EngineError
from gateway.recorded.bundles import StoredBundle
from gateway.recorded.settling import SettleClass
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, restrict

BATCH_CLASSES = 250
CONCURRENT_QUESTIONS = 2
_UNUSABLE = ("unreachable", "wrong_revision")  # of all classes at once, whatever the policy says

Windows = tuple[str, ...]
Question = tuple[ProcessClass, Windows]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Side:
    """A policy as it would decide: engine, floor, what its bundle declares, live exceptions."""

    engine: Engine
    floor: Floor
    declaration: ClassDeclaration
    schedule: Schedule
    data: Mapping[str, Any]
    exceptions: Exceptions = NONE_GRANTED
    settle: SettleClass = settle_class


def side_of(
    bundle: StoredBundle, floor: Floor, engine: Engine, exceptions: Exceptions = NONE_GRANTED
) -> Side:
    """A bundle with the engine that serves it."""
    return Side(engine, floor, bundle.declaration, bundle.schedule, bundle.data, exceptions)


@dataclass(slots=True)
class Answers:
    """What one side answered. `failed` are the questions that the engine could not answer, which
    are kept, with its code; `batch_ns` is each batch's time by class."""

    verdicts: dict[Question, Settled] = field(default_factory=dict)
    failed: dict[Question, str] = field(default_factory=dict)
    batch_ns: list[int] = field(default_factory=list)

    @property
    def failures(self) -> dict[str, int]:
        """How many questions failed, by code."""
        return dict(sorted(Counter(self.failed.values()).items()))

    @property
    def median_ns(self) -> int:
        """Engine time a class, in nanoseconds; 0 when nothing was asked."""
        return round(statistics.median(self.batch_ns)) if self.batch_ns else 0


async def ask(
    side: Side,
    questions: Iterable[Question],
    clock: Clock,
    on_progress: OnProgress = lambda done, expected: None,
) -> Answers:
    """Each question's verdict; raises EngineError when the engine is not there to be asked."""
    groups: defaultdict[tuple[Sender, Windows], list[ProcessClass]] = defaultdict(list)
    for process_class, windows in dict.fromkeys(questions):
        groups[process_class.sender, windows].append(process_class)
    batches = [
        (sender, windows, classes[at : at + BATCH_CLASSES])
        for (sender, windows), classes in groups.items()
        for at in range(0, len(classes), BATCH_CLASSES)
    ]
    expected = sum(len(batch[2]) for batch in batches)
    answers = Answers()
    slots = asyncio.Semaphore(CONCURRENT_QUESTIONS)

    async def run(sender: Sender, windows: Windows, classes: Sequence[ProcessClass]) -> None:
        async with slots:
            await _ask_batch(side, sender, windows, classes, clock, answers)
        on_progress(len(answers.verdicts), expected)

    try:
        async with asyncio.TaskGroup() as group:
            for batch in batches:
                group.create_task(run(*batch))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return answers


async def _ask_batch(
    side: Side,
    sender: Sender,
    windows: Windows,
    classes: Sequence[ProcessClass],
    clock: Clock,
    answers: Answers,
) -> None:
    # Different classes may look the same to a bundle that declares less: it is asked once.
    seen = [restrict(process_class, side.declaration) for process_class in classes]
    asked = list(dict.fromkeys(seen))
    started_ns = clock.boottime_ns()
    found = await side.engine.evaluate(sender, windows, asked)
    answers.batch_ns.append((clock.boottime_ns() - started_ns) // len(asked))
    by_class = dict(zip(asked, found, strict=True))
    for process_class, restricted in zip(classes, seen, strict=True):
        answer = by_class[restricted]
        if isinstance(answer, EngineFailure) and answer.code in _UNUSABLE:
            raise EngineError(f"the policies cannot be asked: {answer.code}: {answer.detail}")
        settled, failure = side.settle(process_class, answer, side.floor, side.exceptions)
        if failure is not None:
            answers.failed[process_class, windows] = failure
        answers.verdicts[process_class, windows] = settled
