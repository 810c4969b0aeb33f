"""The corpus as the gateway's engines are asked it: senders and classes. The oracle imports nothing
of this; it is for tests of engines alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.engine.port import Engine, EngineFailure, RuleVerdict
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender


@dataclass(frozen=True, slots=True)
class Asked:
    """Classes of one sender and time, with the canonical bytes of each expected verdict."""

    sender: Sender
    windows: tuple[str, ...]
    classes: tuple[ProcessClass, ...]
    expected: tuple[bytes, ...]


def askable(
    questions: Sequence[dict[str, Any]],
    answers: Sequence[list[dict[str, Any]]],
    declaration: ClassDeclaration,
) -> list[Asked]:
    """What of the corpus can be said in classes: well-formed proposals of known senders."""
    found = []
    for question, answer in zip(questions, answers, strict=True):
        subject, windows = question["subject"], _windows(question["context"])
        if not _is_sender(subject) or windows is None:
            continue
        sender = Sender(**subject)
        verdicts = {verdict["ref"]: verdict for verdict in answer}
        classes = [
            (_class(sender, proposal), verdicts[proposal["ref"]])
            for proposal in question["proposals"]
            if _is_class(proposal, declaration)
        ]
        if classes:
            made, expected = zip(*classes, strict=True)
            found.append(Asked(sender, windows, made, tuple(map(verdict_bytes, expected))))
    return found


async def answers_of(engine: Engine, asked: Sequence[Asked]) -> list[tuple[bytes, ...]]:
    """The canonical bytes of the engine's verdicts; of a failure, its code."""
    return [
        tuple(map(answer_bytes, await engine.evaluate(one.sender, one.windows, one.classes)))
        for one in asked
    ]


def answer_bytes(answer: RuleVerdict | EngineFailure) -> bytes:
    """A verdict of the engine port as policies write it, without its ref."""
    if isinstance(answer, EngineFailure):
        return answer.code.encode()
    return verdict_bytes(
        {
            "decision": answer.decision,
            "action": answer.action,
            "sample_permille": answer.sample_permille,
            "ttl_seconds": answer.ttl_seconds,
            "reasons": [msgspec.structs.asdict(reason) for reason in answer.reasons],
            "obligations": [dict(duty) for duty in answer.obligations],
        }
    )


def verdict_bytes(verdict: dict[str, Any]) -> bytes:
    """Sorted, compact JSON of a verdict without its ref."""
    members = {name: value for name, value in verdict.items() if name != "ref"}
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def _windows(context: Any) -> tuple[str, ...] | None:
    try:
        windows = context["time"]["windows"]
    except (KeyError, TypeError):
        return None
    return tuple(windows) if isinstance(windows, list) else None


def _is_sender(subject: Any) -> bool:
    return (
        isinstance(subject, dict)
        and subject.keys() == {"environment", "region", "tier"}
        and all(isinstance(value, str) and value for value in subject.values())
    )


def _is_class(proposal: Any, declaration: ClassDeclaration) -> bool:
    """A class holds declared attributes of text, an edge as its score, and a share that fits."""
    known = {"ref", "process", "action", "sample_permille", "score", "profile"}
    if not isinstance(proposal, dict) or proposal.keys() != known:
        return False
    process, share = proposal["process"], proposal["sample_permille"]
    edges = declaration.score_edges
    return (
        isinstance(process, dict)
        and process.keys() <= set(declaration.attributes)
        and all(isinstance(value, str) for value in process.values())
        and type(proposal["score"]) is int
        and proposal["score"] in edges
        and isinstance(proposal["profile"], str)
        and type(share) is int
        and _is_fitting(proposal["action"], share)
    )


def _is_fitting(action: Any, share: int) -> bool:
    if action == "sample":
        return 0 < share < 1000
    return (action, share) in (("drop", 0), ("keep", 1000))


def _class(sender: Sender, proposal: dict[str, Any]) -> ProcessClass:
    return ProcessClass(
        attributes=tuple(sorted(proposal["process"].items())),
        action=proposal["action"],
        sample_permille=proposal["sample_permille"],
        score=proposal["score"],
        profile=proposal["profile"],
        sender=sender,
    )
