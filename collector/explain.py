"""Why a process is kept, sampled or dropped: the whole way from its name to its fate."""

from collections.abc import Sequence
from typing import Any

import msgspec

from collector.agent import Settled
from collector.assessment import SCORER
from collector.classify import ClassRule
from collector.enforce.decision import SENTENCES
from collector.summary import describe_action, describe_obligation, describe_verdict, name_of
from gateway.wire.classes import EXECUTABLE_NAME, EXECUTABLE_PATH, IDENTITY, IDENTITY_SOURCE

_FATES = {"kept": "kept", "dropped": "dropped", "sampled_out": "sampled out"}


def find(settled: Sequence[Settled], wanted: str) -> list[Settled]:
    """The processes with this PID, else with this identity or executable name."""
    if wanted.isdecimal():
        return [item for item in settled if str(item.snapshot.identity.pid) == wanted]
    names = (IDENTITY, EXECUTABLE_NAME)
    return [item for item in settled if wanted in {item.snapshot.attributes.get(n) for n in names}]


def explain(item: Settled, rules: Sequence[ClassRule]) -> dict[str, Any]:
    """The explanation of one process, as a machine reads it."""
    attributes, decision, verdict = item.snapshot.attributes, item.decision, item.verdict
    return {
        "pid": item.snapshot.identity.pid,
        "name": name_of(item),
        "executable": attributes.get(EXECUTABLE_PATH) or attributes.get(EXECUTABLE_NAME),
        "identity_source": attributes.get(IDENTITY_SOURCE, "unknown"),
        "class": item.wish.class_name,
        "score": item.wish.score,
        "pattern": _find_pattern(item, rules),
        "scorer": item.wish.scorer or SCORER,
        "why": item.wish.why,
        "forced": item.wish.forced_reason,
        "profile": item.wish.profile,
        "proposed": describe_action(item.wish.action, item.wish.sample_rate),
        "class_key": item.class_key,
        "verdict": msgspec.to_builtins(verdict) if verdict else None,
        "lease_seconds_left": round(item.lease_seconds, 1),
        "outcome": decision.outcome,
        "cause": decision.cause,
        "sentence": describe_fate(item),
    }


def describe_fate(item: Settled) -> str:
    """One sentence: what happens to the process's points, and why."""
    decision, verdict = item.decision, item.verdict
    because = SENTENCES[decision.cause]
    if decision.cause == "forced":
        because = f"{because} ({item.wish.forced_reason})"
    elif decision.cause == "no_lease" and verdict is not None and verdict.effect == "fail_safe":
        because = "the gateway could not decide, and what it cannot decide is kept"
    points = item.snapshot.point_count
    return f"{name_of(item)}: {points} points {_FATES[decision.outcome]}: {because}."


def describe_lines(item: Settled, rules: Sequence[ClassRule]) -> list[str]:
    """The explanation as a person reads it."""
    told = explain(item, rules)
    pattern = f", pattern {told['pattern']}" if told["pattern"] else ""
    lines = [
        told["sentence"],
        f"  process     pid {told['pid']}, {told['executable']}",
        f"  identity    {told['name']} (from {told['identity_source']})",
        f"  class       {told['class']}, score {told['score']}{pattern} ({told['why']})",
        f"  profile     {told['profile']} proposes {told['proposed']}",
        f"  verdict     {describe_verdict(item.verdict)}",
    ]
    for reason in item.verdict.reasons if item.verdict else ():
        lines.append(f"  control     {reason.control} [{reason.level}] {reason.message}")
    for obligation in item.verdict.obligations if item.verdict else ():
        lines.append(f"  obligation  {describe_obligation(obligation)}")
    lease = f"{told['lease_seconds_left']} s left" if item.lease_seconds > 0 else "none"
    lines.append(f"  lease       {lease}")
    return lines


def _find_pattern(item: Settled, rules: Sequence[ClassRule]) -> str | None:
    attributes = item.snapshot.attributes
    path = attributes.get(EXECUTABLE_PATH)
    values = [attributes.get(IDENTITY), attributes.get(EXECUTABLE_NAME)]
    values.append(path.rpartition("/")[2] if isinstance(path, str) else None)
    names = [name for value in values if isinstance(value, str) for name in (value, value.lower())]
    for rule in rules:
        if rule.name == item.wish.class_name:
            for pattern in rule.patterns:
                if any(pattern.matches(name) for name in names):
                    return f"{pattern.kind} {pattern.text}"
    return None
