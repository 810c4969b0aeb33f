"""Recorded verdicts given again and compared bit for bit (P9).

Entries are taken in chunks; what was given under the same circumstances is asked together, each
different class once. What cannot be repeated is counted by the reason, and never as the same.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway import canonical
from gateway.audit.lost import Lost
from gateway.decisions.combination import combine
from gateway.decisions.evaluation import settle_class
from gateway.decisions.verdict import Settled
from gateway.recorded.classes import open_class
from gateway.recorded.entries import Evaluations, RecordedShapeError
from gateway.recorded.port import ClassVault
from gateway.recorded.settling import SettleClass
from gateway.replay.circumstances import (
    Circumstances,
    PastPolicies,
    Policy,
    UnknownError,
    UnlikeError,
)
from gateway.replay.report import Difference, Outcome, ReplayReport
from gateway.replay.selection import Selected
from gateway.wire.classes import ProcessClass, Sender, restrict

CHUNK_VERDICTS = 4_000
BATCH_CLASSES = 250
_TRANSIENT = ("timeout", "unreachable", "wrong_revision")
_LOST = {
    Lost.MISSING: "the class's payload or its key is gone, and no erasure or purge in the log "
    "explains that",
    Lost.DAMAGED: "the class's payload does not open under its own key",
}

OnProgress = Callable[[int, int], None]  # verdicts done, the entry that was done last
# What a class came to: a verdict, or a code of the engine's failure.
Replayed = Settled | str


@dataclass(frozen=True, slots=True)
class _Item:
    """One recorded verdict whose class was opened."""

    entry: Evaluations
    position: int
    process_class: ProcessClass

    def difference(self, reason: str, replayed: Settled | None = None) -> Difference:
        recorded = self.entry.items[self.position]
        value = None if replayed is None else replayed.record()
        return Difference(
            seq=self.entry.seq,
            position=self.position,
            class_id=recorded.class_id,
            reason=reason,
            recorded=recorded.value(),
            replayed=value,  # type: ignore[arg-type]
        )


async def replay(
    selected: Iterable[Selected],
    vault: ClassVault,
    past: PastPolicies,
    on_progress: OnProgress = lambda done, seq: None,
    settle: SettleClass = settle_class,
) -> ReplayReport:
    """Give every selected verdict again; raises StorageError and KeyServiceError."""
    report = ReplayReport()
    done = 0
    for chunk in _chunks(selected, report):
        groups = _opened(chunk, vault, report)
        for items in groups.values():
            await _replay_group(items, past, settle, report)
        done += sum(len(one.positions) for one in chunk)
        on_progress(done, chunk[-1].seq)
    return report


def _chunks(selected: Iterable[Selected], report: ReplayReport) -> Iterator[list[Selected]]:
    chunk: list[Selected] = []
    count = 0
    for one in selected:
        if one.evaluations is None:
            empty: dict[str, canonical.Value] = {}
            for position in one.positions:
                report.differ(Difference(one.seq, position, "", one.reason, empty, None))
            continue
        chunk.append(one)
        count += len(one.positions)
        if count >= CHUNK_VERDICTS:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


def _opened(
    chunk: Sequence[Selected], vault: ClassVault, report: ReplayReport
) -> Mapping[Hashable, list[_Item]]:
    """Items whose class opens, by circumstances; the others are counted."""
    wanted = [
        (one.evaluations, position)
        for one in chunk
        if one.evaluations is not None
        for position in one.positions
    ]
    payloads = vault.open_many(
        {entry.items[position].class_id: entry.seq for entry, position in wanted}
    )
    groups: defaultdict[Hashable, list[_Item]] = defaultdict(list)
    for entry, position in wanted:
        recorded = entry.items[position]
        payload = payloads[recorded.class_id]
        if payload in (Lost.ERASED, Lost.PURGED):
            report.add(Outcome.ERASED if payload is Lost.ERASED else Outcome.PURGED)
            continue
        try:
            if isinstance(payload, Lost):
                raise RecordedShapeError(_LOST[payload])
            process_class = open_class(recorded.class_id, payload)
        except RecordedShapeError as error:
            report.differ(
                Difference(
                    entry.seq, position, recorded.class_id, str(error), recorded.value(), None
                )
            )
            continue
        groups[_key(entry)].append(_Item(entry, position, process_class))
    return groups


def _key(entry: Evaluations) -> Hashable:
    return (
        entry.bundle,
        entry.activation,
        entry.floor,
        entry.exceptions,
        entry.engine,
        entry.windows,
        entry.lane,
        entry.candidate,
    )


async def _replay_group(
    items: Sequence[_Item], past: PastPolicies, settle: SettleClass, report: ReplayReport
) -> None:
    try:
        circumstances = await past.of(items[0].entry)
    except UnknownError as error:
        report.add(error.outcome, str(error), len(items))
        return
    except UnlikeError as error:
        for item in items:
            report.differ(item.difference(str(error)))
        return
    answers = await _answers(circumstances, items, settle)
    for item in items:
        _compare(item, answers[item.process_class], report)
    if circumstances.other_engine:
        report.other_engines[circumstances.other_engine] += len(items)


def _compare(item: _Item, answer: Replayed, report: ReplayReport) -> None:
    if isinstance(answer, str):
        if answer in _TRANSIENT:
            report.add(Outcome.ENGINE_MISSING, f"the engine did not answer: {answer}")
        else:
            report.differ(item.difference(f"the policies give no usable answer now ({answer})"))
        return
    recorded = item.entry.items[item.position].verdict
    if canonical.encode(answer.record()) == recorded:
        report.add(Outcome.SAME)
    else:
        report.differ(item.difference("another verdict", answer))


async def _answers(
    circumstances: Circumstances, items: Sequence[_Item], settle: SettleClass
) -> dict[ProcessClass, Replayed]:
    """Each different class once, in batches of one sender's."""
    by_sender: defaultdict[Sender, dict[ProcessClass, None]] = defaultdict(dict)
    for item in items:
        by_sender[item.process_class.sender][item.process_class] = None
    found: dict[ProcessClass, Replayed] = {}
    for sender, distinct in by_sender.items():
        classes = list(distinct)
        for at in range(0, len(classes), BATCH_CLASSES):
            batch = classes[at : at + BATCH_CLASSES]
            found.update(zip(batch, await _give(circumstances, sender, batch, settle), strict=True))
    return found


async def _give(
    circumstances: Circumstances,
    sender: Sender,
    classes: Sequence[ProcessClass],
    settle: SettleClass,
) -> list[Replayed]:
    active = await _ask(circumstances.active, circumstances, sender, classes, settle)
    if circumstances.candidate is None:
        return active
    both: list[Replayed] = []
    other = await _ask(circumstances.candidate, circumstances, sender, classes, settle)
    for process_class, one, two in zip(classes, active, other, strict=True):
        if isinstance(one, str) or isinstance(two, str):
            both.append(one if isinstance(one, str) else two)
        else:
            both.append(combine(process_class, one, two))
    return both


async def _ask(
    policy: Policy,
    circumstances: Circumstances,
    sender: Sender,
    classes: Sequence[ProcessClass],
    settle: SettleClass,
) -> list[Replayed]:
    asked = [restrict(process_class, policy.declaration) for process_class in classes]
    answers = await policy.engine.evaluate(sender, policy.windows, asked)
    found: list[Replayed] = []
    for process_class, answer in zip(classes, answers, strict=True):
        settled, failure = settle(process_class, answer, policy.floor, circumstances.exceptions)
        found.append(settled if failure is None else failure)
    return found
