"""Which recorded verdicts to replay: a range of the log, or a sample that a seed repeats."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.recorded.entries import Evaluations, RecordedShapeError, parse_evaluations
from gateway.recorded.port import RecordedEntries


@dataclass(frozen=True, slots=True)
class Selected:
    """An entry and the positions of its verdicts that are wanted. `evaluations` is None where the
    entry is not of the shape that this gateway writes; `reason` then says why."""

    seq: int
    evaluations: Evaluations | None
    positions: Sequence[int]
    reason: str = ""


def select_range(entries: RecordedEntries, first: int, stop: int) -> Iterator[Selected]:
    """Every verdict of the entries first..stop-1; raises StorageError."""
    for entry in entries.scan(first, stop):
        try:
            found = parse_evaluations(entry)
        except RecordedShapeError as error:
            yield Selected(entry.seq, None, (0,), str(error))
        else:
            yield Selected(entry.seq, found, range(len(found.items)))


def select_sample(
    entries: RecordedEntries, first: int, stop: int, size: int, seed: int
) -> Iterator[Selected]:
    """`size` verdicts of the range, each as likely as every other; the same seed over the same log
    gives the same ones. Reads the range twice. Raises StorageError."""
    choose = random.Random(seed)  # noqa: S311 - a sample that an auditor can repeat, no secret
    chosen: list[tuple[int, int]] = []
    seen = 0
    for selected in select_range(entries, first, stop):
        for position in selected.positions:
            seen += 1
            # Reservoir sampling (Vitter's algorithm R): no count is needed beforehand.
            if len(chosen) < size:
                chosen.append((selected.seq, position))
            elif (place := choose.randrange(seen)) < size:
                chosen[place] = (selected.seq, position)
    wanted: defaultdict[int, list[int]] = defaultdict(list)
    for seq, position in chosen:
        wanted[seq].append(position)
    for entry in entries.at(sorted(wanted)):
        positions = sorted(wanted[entry.seq])
        try:
            yield Selected(entry.seq, parse_evaluations(entry), positions)
        except RecordedShapeError as error:
            yield Selected(entry.seq, None, positions, str(error))
