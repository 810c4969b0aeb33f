"""New classes: ask floor and policies, and draft the entries that record the answers (P3, P9)."""

import secrets
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from gateway import canonical
from gateway.audit.port import Draft, Payload
from gateway.clock import format_time
from gateway.decisions.epoch import Epoch
from gateway.decisions.verdict import Settled, fail_safe, settle
from gateway.engine.port import EngineFailure
from gateway.wire.classes import ProcessClass, Sender, class_id

ENTRY_BUDGET_BYTES = 48_000  # an entry's items; the rest of an entry is under 2 KB (limit 65,535)
SALT_BYTES = 32
RETENTION_CLASS = "decisions"
NO_EXCEPTIONS = "0" * 64


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
    epoch: Epoch, sender: Sender, classes: Sequence[tuple[Hashable, ProcessClass]]
) -> list[tuple[Hashable, ProcessClass, Settled, str | None]]:
    """Floor and policies for each class. What the engine cannot answer is kept (P1)."""
    answers = await epoch.policy.engine.evaluate(
        sender, epoch.windows, [process_class for _, process_class in classes]
    )
    outcomes: list[tuple[Hashable, ProcessClass, Settled, str | None]] = []
    for (key, process_class), answer in zip(classes, answers, strict=True):
        if isinstance(answer, EngineFailure):
            message = f"the policies gave no usable answer ({answer.code}); kept"
            outcomes.append((key, process_class, fail_safe(answer.code, message), answer.code))
        else:
            floor = epoch.policy.floor.finding(process_class)
            outcomes.append((key, process_class, settle(process_class, answer, floor), None))
    return outcomes


def record(
    epoch: Epoch,
    sender: Sender,
    outcomes: Sequence[tuple[Hashable, ProcessClass, Settled, str | None]],
    now_us: int,
    actor: str,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Recording:
    """Draft as few entries as fit, several verdicts each; failures stand in none of them."""
    head = _head(epoch, now_us)
    evaluated: list[Evaluated] = []
    payloads: list[Payload] = []
    chunks: list[list[canonical.Value]] = []
    used = ENTRY_BUDGET_BYTES
    for key, process_class, settled, failure in outcomes:
        if failure is not None:
            evaluated.append(Evaluated(key, process_class, settled, failure))
            continue
        payload = _payload(process_class, sender, random(SALT_BYTES))
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


def _head(epoch: Epoch, now_us: int) -> dict[str, canonical.Value]:
    ref = epoch.policy.ref
    engine = epoch.policy.engine.version
    return {
        "activation": ref.activation,
        "bundle": ref.bundle,
        "context": {"time": format_time(now_us), "windows": list(epoch.windows)},
        "engine": {"name": engine.name, "version": engine.version},
        "exceptions": NO_EXCEPTIONS,
        "floor": ref.floor,
    }


def _payload(process_class: ProcessClass, sender: Sender, salt: bytes) -> Payload:
    class_bytes = process_class.canonical()
    # Both members are canonical and in order, so the whole is.
    plaintext = b'{"class":%b,"salt":"%b"}' % (class_bytes, salt.hex().encode())
    return Payload(class_id(salt, class_bytes), sender.region, RETENTION_CLASS, plaintext)
