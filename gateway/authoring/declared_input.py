"""Whether policies read only what they are given (docs/formats.md section 6).

Modules below validation/ are asked another question than the rest: see their METADATA."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding
from gateway.authoring.input_atoms import ANY, INDEX, Steps
from gateway.authoring.input_reads import InputRead

_LEAF = object()
_ATTRIBUTES = object()
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PROPOSAL = {
    "ref": _LEAF,
    "process": _ATTRIBUTES,
    "action": _LEAF,
    "sample_permille": _LEAF,
    "score": _LEAF,
    "profile": _LEAF,
}
_DECISION = {
    "subject": {"environment": _LEAF, "region": _LEAF, "tier": _LEAF},
    "context": {"time": {"windows": [_LEAF]}},
    "proposals": [_PROPOSAL],
}
# The rules that judge a step of a rollout are asked over what was measured of it.
_VALIDATION = dict.fromkeys(
    [
        "never_filter_loss",
        "evaluated",
        "failures",
        "latency_ratio_permille",
        "log_healthy",
        "environment",
        "region",
    ],
    _LEAF,
)
_BY_FOLDER: dict[str, Any] = {"validation": _VALIDATION}


def check_reads(reads: Sequence[InputRead], attributes: Collection[str] | None) -> list[Finding]:
    """A finding for each read of what is not in the input, and for each that cannot be told.
    `attributes` are those of the class declaration; None when it cannot be read."""
    return [finding for read in reads if (finding := _check(read, attributes)) is not None]


def written(steps: Steps) -> str:
    """A path below input as Rego writes it."""
    text = "input"
    for step in steps:
        if step in (ANY, INDEX):
            text += "[_]"
        else:
            text += f".{step}" if _PLAIN.match(step) else f'["{step}"]'
    return text


def _check(read: InputRead, attributes: Collection[str] | None) -> Finding | None:
    node = _BY_FOLDER.get(read.place.file.partition("/")[0], _DECISION)
    for depth, step in enumerate(read.steps):
        if node is _ATTRIBUTES:
            node = _LEAF
            if step == ANY:
                return _dynamic(read, depth + 1)
            if attributes is not None and step not in attributes:
                return _undeclared_attribute(read, step, depth + 1)
        elif isinstance(node, dict):
            if step == ANY:
                return _dynamic(read, depth + 1)
            if step not in node:
                return _undeclared(read, depth + 1, node)
            node = node[step]
        elif isinstance(node, list) and step in (ANY, INDEX):
            node = node[0]
        else:
            return _undeclared(read, depth + 1, {})
    return None


def _dynamic(read: InputRead, depth: int) -> Finding:
    return found(
        "dynamic-read",
        read.place,
        f"what {written(read.steps[:depth])} reads cannot be told from the text",
        "name what is read, or take the names from a list in data",
    )


def _undeclared_attribute(read: InputRead, name: str, depth: int) -> Finding:
    return found(
        "undeclared-read",
        read.place,
        f"{written(read.steps[:depth])} is not declared, so policies never see it",
        f'add "{name}" to attributes in data/class/data.yaml, or read a declared one',
    )


def _undeclared(read: InputRead, depth: int, known: dict[str, Any]) -> Finding:
    around = written(read.steps[: depth - 1])
    return found(
        "undeclared-read",
        read.place,
        f"{written(read.steps[:depth])} is no part of what policies are given",
        f"{around} has {', '.join(sorted(known))}" if known else f"read {around} as a whole",
    )
