"""Recorded classes with their weights: what a period's traffic was, each different class once."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.audit.lost import Lost
from gateway.clock import format_time, parse_time
from gateway.decisions.verdict import Settled
from gateway.decisions.windows import Schedule
from gateway.recorded.classes import open_class
from gateway.recorded.entries import (
    Evaluations,
    RecordedShapeError,
    RecordedVerdict,
    parse_evaluations,
    parse_verdict,
)
from gateway.recorded.port import ClassVault, RecordedEntries
from gateway.recorded.timeline import Timeline
from gateway.wire.classes import ProcessClass

_CHUNK_ITEMS = 4_000
_DAY_US = 86_400_000_000
_NO_WINDOWS = Schedule(())
MALFORMED = "malformed"

ScheduleOf = Callable[[str], Schedule | None]


@dataclass(frozen=True, slots=True)
class Span:
    """A verdict was given `times` times in [at_us, until_us), while the same windows were open."""

    at_us: int
    until_us: int
    times: int


@dataclass(frozen=True, slots=True)
class RecordedClass:
    """A class, a verdict that it was given in a period, and when; `spans` are in order of time."""

    process_class: ProcessClass
    settled: Settled
    spans: tuple[Span, ...]

    @property
    def weight(self) -> int:
        """How often the verdict was given."""
        return sum(span.times for span in self.spans)

    @property
    def last_day(self) -> str:
        """The last day (`YYYY-MM-DD`) on which the class was evaluated."""
        return format_time(self.spans[-1].at_us)[:10]


@dataclass(frozen=True, slots=True)
class Reading:
    """A period's recorded verdicts. `unreadable` counts verdicts by why their class or verdict
    cannot be read: `erased`, `purged`, `missing`, `damaged`, `malformed`."""

    first_day: str
    last_day: str
    classes: tuple[RecordedClass, ...]
    unreadable: Mapping[str, int]

    @property
    def verdicts(self) -> int:
        """How often verdicts of readable classes were given."""
        return sum(item.weight for item in self.classes)


class _Merger:
    """Adds up equal classes with equal verdicts."""

    def __init__(self, schedule_of: ScheduleOf, first_us: int, last_us: int) -> None:
        self._schedule_of = schedule_of
        self._period = (first_us, last_us)
        self._timelines: dict[str, Timeline] = {}
        self._settled: dict[bytes, Settled] = {}
        self._found: defaultdict[tuple[ProcessClass, bytes], Counter[tuple[int, int]]]
        self._found = defaultdict(Counter)
        self.unreadable: Counter[str] = Counter()

    def add(
        self, entry: Evaluations, item: RecordedVerdict, payload: bytes | Lost, weight: int
    ) -> None:
        if isinstance(payload, Lost):
            self.unreadable[payload] += weight
            return
        try:
            process_class = open_class(item.class_id, payload)
            if item.verdict not in self._settled:
                self._settled[item.verdict] = parse_verdict(item.verdict)
        except RecordedShapeError:
            self.unreadable[MALFORMED] += weight
            return
        self._found[process_class, item.verdict][self._span(entry)] += weight

    def _span(self, entry: Evaluations) -> tuple[int, int]:
        timeline = self._timelines.get(entry.bundle)
        if timeline is None:
            schedule = self._schedule_of(entry.bundle) or _NO_WINDOWS
            timeline = self._timelines[entry.bundle] = Timeline(schedule, *self._period)
        return entry.context_us, timeline.epoch_end_us(entry.context_us)

    def classes(self) -> Iterator[RecordedClass]:
        for (process_class, verdict), times in self._found.items():
            spans = tuple(Span(*span, times[span]) for span in sorted(times))
            yield RecordedClass(process_class, self._settled[verdict], spans)


def read_recorded(
    entries: RecordedEntries,
    vault: ClassVault,
    first_day: str,
    last_day: str,
    schedule_of: ScheduleOf,
    on_progress: Callable[[int, int], None] = lambda done, expected: None,
) -> Reading:
    """Every class that was given verdicts from day to day (`YYYY-MM-DD`, inclusive), as far as the
    newest checkpoint. `schedule_of` gives a bundle's windows by its hash, None when the bundle is
    not kept. Blocks: call it on a thread. Raises StorageError and KeyServiceError."""
    weights: Counter[tuple[int, int]] = Counter()
    for row in entries.weights(first_day, last_day):
        weights[row.seq, row.position] += row.times
    first_us = parse_time(f"{first_day}T00:00:00.000000Z")
    last_us = parse_time(f"{last_day}T00:00:00.000000Z") + _DAY_US
    merger = _Merger(schedule_of, first_us, last_us)
    done = 0
    for chunk in _chunks(entries, weights, merger.unreadable):
        payloads = vault.open_many({item.class_id: entry.seq for entry, item, _ in chunk})
        for entry, item, weight in chunk:
            merger.add(entry, item, payloads[item.class_id], weight)
        done += len(chunk)
        on_progress(done, len(weights))
    return Reading(first_day, last_day, tuple(merger.classes()), dict(merger.unreadable))


_Weighed = tuple[Evaluations, RecordedVerdict, int]


def _chunks(
    entries: RecordedEntries, weights: Mapping[tuple[int, int], int], unreadable: Counter[str]
) -> Iterator[Sequence[_Weighed]]:
    """Cited verdicts in groups; a citation of nothing counts as malformed."""
    positions: defaultdict[int, list[int]] = defaultdict(list)
    for seq, position in weights:
        positions[seq].append(position)
    chunk: list[_Weighed] = []
    found: set[int] = set()
    for entry in entries.at(list(positions)):
        found.add(entry.seq)
        try:
            evaluations = parse_evaluations(entry)
        except RecordedShapeError:
            unreadable[MALFORMED] += sum(weights[entry.seq, at] for at in positions[entry.seq])
            continue
        for at in positions[entry.seq]:
            if 0 <= at < len(evaluations.items):
                chunk.append((evaluations, evaluations.items[at], weights[entry.seq, at]))
            else:
                unreadable[MALFORMED] += weights[entry.seq, at]
        if len(chunk) >= _CHUNK_ITEMS:
            yield chunk
            chunk = []
    absent = positions.keys() - found
    purged = entries.purged(sorted(absent))
    for seq in absent:
        why = Lost.PURGED if seq in purged else Lost.MISSING
        unreadable[why] += sum(weights[seq, at] for at in positions[seq])
    if chunk:
        yield chunk
