"""New classes: ask floor and policies, and draft the entries that record the answers (P3, P9)."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway import canonical
from gateway.audit.port import Draft, Payload
from gateway.clock import format_time
from gateway.decisions.combination import combine
from gateway.decisions.epoch import Epoch
from gateway.decisions.exceptions import Exceptions
from gateway.decisions.floor import Floor
from gateway.decisions.lanes import Lane
from gateway.decisions.policy import CandidatePolicy
from gateway.decisions.retention_class import retention_class_of
from gateway.decisions.shadow import Comparison
from gateway.decisions.verdict import Settled, fail_safe, settle
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.wire.classes import ProcessClass, Sender, class_id, restrict

ENTRY_BUDGET_BYTES = 48_000  # an entry's items; the rest of an entry is under 2 KB (limit 65,535)
SALT_BYTES = 32

# Key, class, verdict, and the failure's code where the engine gave no usable answer.
Outcome: TypeAlias = "tuple[Hashable, ProcessClass, Settled, str | None]"
Found: TypeAlias = "tuple[Settled, str | None]"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One class's outcome. `entry` and `position` place it among the group's evaluation entries."""

    key: Hashable
    process_class: ProcessClass
    settled: Settled
    failure: str | None
    entry: int = -1
    position: int = -1


@dataclass(frozen=True, slots=True)
class Recording:
    """What must be durable before any of these verdicts may be answered."""

    evaluated: tuple[Evaluated, ...]
    drafts: tuple[Draft, ...]
    payloads: tuple[Payload, ...]


async def evaluate(
    epoch: Epoch, sender: Sender, lane: Lane, classes: Sequence[tuple[Hashable, ProcessClass]]
) -> list[Outcome]:
    """Floor and policies for each class. What the engine cannot answer is kept (P1). In the lane
    `canary` the candidate is asked too and the more protective of both holds."""
    asked = [process_class for _, process_class in classes]
    candidate = epoch.policy.candidate
    if candidate is None or lane == "active":
        settled = await _ask_active(epoch, sender, asked)
    else:
        settled = await _ask_both(epoch, candidate, sender, asked)
    return [
        (key, process_class, *found)
        for (key, process_class), found in zip(classes, settled, strict=True)
    ]


async def shadow(
    epoch: Epoch, candidate: CandidatePolicy, sender: Sender, outcomes: Sequence[Outcome]
) -> None:
    """Ask the candidate what was answered without it, and count the differences (section 11)."""
    answered = [outcome for outcome in outcomes if outcome[3] is None]
    asked = [process_class for _, process_class, _, _ in answered]
    found = await _ask_candidate(epoch, candidate, sender, asked)
    candidate.meter.observe(
        [
            Comparison(process_class, active, settled if failure is None else None)
            for (_, process_class, active, _), (settled, failure) in zip(
                answered, found, strict=True
            )
        ]
    )


async def _ask_active(epoch: Epoch, sender: Sender, classes: Sequence[ProcessClass]) -> list[Found]:
    policy = epoch.policy
    asked = classes
    if policy.candidate is not None:  # the classes are of the union of both declarations
        asked = [restrict(item, policy.declaration) for item in classes]
    answers = await policy.engine.evaluate(sender, epoch.windows, asked)
    return [
        settle_class(item, answer, policy.floor, epoch.exceptions)
        for item, answer in zip(classes, answers, strict=True)
    ]


async def _ask_candidate(
    epoch: Epoch, candidate: CandidatePolicy, sender: Sender, classes: Sequence[ProcessClass]
) -> list[Found]:
    asked = [restrict(item, candidate.declaration) for item in classes]
    answers = await candidate.engine.evaluate(sender, epoch.candidate_windows, asked)
    return [
        settle_class(item, answer, candidate.floor, epoch.exceptions)
        for item, answer in zip(classes, answers, strict=True)
    ]


async def _ask_both(
    epoch: Epoch, candidate: CandidatePolicy, sender: Sender, classes: Sequence[ProcessClass]
) -> list[Found]:
    (active, active_seconds), (other, other_seconds) = await asyncio.gather(
        _timed(_ask_active(epoch, sender, classes)),
        _timed(_ask_candidate(epoch, candidate, sender, classes)),
    )
    candidate.meter.time(active_seconds, other_seconds)
    both: list[Found] = []
    comparisons = []
    for item, one, two in zip(classes, active, other, strict=True):
        if one[1] is not None or two[1] is not None:
            both.append(one if one[1] is not None else two)  # a failure of either keeps
        else:
            both.append((combine(item, one[0], two[0]), None))
        if one[1] is None:
            comparisons.append(Comparison(item, one[0], two[0] if two[1] is None else None))
    candidate.meter.observe(comparisons)
    return both


async def _timed(asking: Coroutine[Any, Any, list[Found]]) -> tuple[list[Found], float]:
    started = time.perf_counter()
    return await asking, time.perf_counter() - started


def settle_class(
    process_class: ProcessClass,
    answer: RuleVerdict | EngineFailure,
    floor: Floor,
    exceptions: Exceptions,
) -> Found:
    """The verdict for one class, and the failure's code where the engine gave no usable answer.
    The floor is asked first: where it speaks, no exception is looked at."""
    if isinstance(answer, EngineFailure):
        message = f"the policies gave no usable answer ({answer.code}); kept"
        return fail_safe(answer.code, message), answer.code
    finding = floor.finding(process_class)
    if finding is None:
        answer = exceptions.lift(process_class, answer)
    return settle(process_class, answer, finding), None


def record(
    epoch: Epoch,
    sender: Sender,
    lane: Lane,
    outcomes: Sequence[Outcome],
    now_us: int,
    actor: str,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Recording:
    """Draft as few entries as fit, several verdicts each; failures stand in none of them."""
    head = _head(epoch, lane, now_us)
    evaluated: list[Evaluated] = []
    payloads: list[Payload] = []
    chunks: list[list[canonical.Value]] = []
    used = ENTRY_BUDGET_BYTES
    for key, process_class, settled, failure in outcomes:
        if failure is not None:
            evaluated.append(Evaluated(key, process_class, settled, failure))
            continue
        kept_for = retention_class_of(settled.reasons)
        payload = _payload(process_class, sender, kept_for, random(SALT_BYTES))
        item: canonical.Value = {"class": payload.class_id, "verdict": settled.record()}
        size = len(canonical.encode(item)) + 1
        if used + size > ENTRY_BUDGET_BYTES:
            chunks.append([])
            used = 0
        used += size
        chunks[-1].append(item)
        payloads.append(payload)
        place = (len(chunks) - 1, len(chunks[-1]) - 1)
        evaluated.append(Evaluated(key, process_class, settled, None, *place))
    drafts = tuple(
        Draft("evaluations", actor, canonical.encode({**head, "items": items})) for items in chunks
    )
    return Recording(tuple(evaluated), drafts, tuple(payloads))


def _head(epoch: Epoch, lane: Lane, now_us: int) -> dict[str, canonical.Value]:
    ref = epoch.policy.ref
    candidate = epoch.policy.candidate
    engine = epoch.policy.engine.version
    return {
        "activation": ref.activation,
        "bundle": ref.bundle,
        "candidate": _candidate(candidate, epoch) if candidate and lane == "canary" else None,
        "context": {"time": format_time(now_us), "windows": list(epoch.windows)},
        "engine": {"name": engine.name, "version": engine.version},
        "exceptions": epoch.exceptions.hash,
        "floor": ref.floor,
        "lane": lane,
    }


def _candidate(candidate: CandidatePolicy, epoch: Epoch) -> canonical.Value:
    return {
        "bundle": candidate.bundle,
        "floor": candidate.floor.hash,
        "windows": list(epoch.candidate_windows),
    }


def _payload(
    process_class: ProcessClass, sender: Sender, retention_class: str, salt: bytes
) -> Payload:
    class_bytes = process_class.canonical()
    # Both members are canonical and in order, so the whole is.
    plaintext = b'{"class":%b,"salt":"%b"}' % (class_bytes, salt.hex().encode())
    return Payload(class_id(salt, class_bytes), sender.region, retention_class, plaintext)
