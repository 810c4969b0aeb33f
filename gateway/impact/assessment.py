"""Recorded classes given again to a candidate and to what is in force, and compared.

Each different class is asked once for each set of windows that was open when it was seen; what it
weighs is how often it was given its verdict. Where several sets were open in one span of time, the
one in which the candidate protects least counts.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from gateway.clock import Clock
from gateway.impact.comparison import Case, Comparison, Pairs
from gateway.impact.names import Frameworks
from gateway.impact.report import Impact
from gateway.impact.side import Answers, OnProgress, Question, Side, ask
from gateway.recorded.reading import RecordedClass
from gateway.recorded.timeline import Timeline, open_pairs

_YIELD_EVERY = 500


async def assess(
    candidate: Side,
    active: Side,
    recorded: Sequence[RecordedClass],
    clock: Clock,
    on_progress: OnProgress = lambda done, expected: None,
) -> Impact:
    """What the candidate would do to these verdicts. Asks both engines, a few questions at a time,
    and gives way to others in between; raises EngineError when one of them cannot be asked."""
    cases = await _cases(candidate, active, recorded)
    now, then = await _ask_both(active, candidate, cases, clock, on_progress)
    comparison = Comparison(Frameworks(candidate.data, active.data), now, then)
    for number, case in enumerate(cases):
        comparison.add(case)
        if number % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
    return comparison.impact(_unrecorded(candidate, active, recorded))


async def _ask_both(
    active: Side, candidate: Side, cases: Sequence[Case], clock: Clock, on_progress: OnProgress
) -> tuple[Answers, Answers]:
    """Both at the same time, so that neither has the machine to itself when it is timed."""
    asked: list[list[Question]] = [
        list(dict.fromkeys((case.process_class, pair[at]) for case in cases for pair in case.pairs))
        for at in (0, 1)
    ]
    done = [0, 0]

    def progress_of(place: int) -> OnProgress:
        def note(count: int, _expected: int) -> None:
            done[place] = count
            on_progress(sum(done), len(asked[0]) + len(asked[1]))

        return note

    try:
        async with asyncio.TaskGroup() as group:
            now = group.create_task(ask(active, asked[0], clock, progress_of(0)))
            then = group.create_task(ask(candidate, asked[1], clock, progress_of(1)))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return now.result(), then.result()


async def _cases(
    candidate: Side, active: Side, recorded: Sequence[RecordedClass]
) -> Sequence[Case]:
    spans = [span for item in recorded for span in item.spans]
    first_us = min((span.at_us for span in spans), default=0)
    last_us = max((span.until_us for span in spans), default=0)
    timelines = (
        Timeline(active.schedule, first_us, last_us),
        Timeline(candidate.schedule, first_us, last_us),
    )
    known: dict[tuple[int, int], Pairs] = {}
    cases: list[Case] = []
    for number, item in enumerate(recorded):
        weights: defaultdict[Pairs, int] = defaultdict(int)
        for span in item.spans:
            place = (span.at_us, span.until_us)
            if place not in known:
                known[place] = open_pairs(*timelines, *place)
            weights[known[place]] += span.times
        for pairs, weight in weights.items():
            cases.append(Case(item.process_class, item.settled, pairs, weight))
        if number % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
    return cases


def _unrecorded(
    candidate: Side, active: Side, recorded: Sequence[RecordedClass]
) -> tuple[str, ...]:
    """Attributes that the candidate reads, what is in force does not, and no recorded class has:
    nobody knows what the candidate would say with them."""
    seen = {name for item in recorded for name, _ in item.process_class.attributes}
    seen.update(active.declaration.attributes)
    return tuple(sorted(set(candidate.declaration.attributes) - seen))
