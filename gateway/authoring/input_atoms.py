"""What the variables of Rego modules stand for, and the terms of OPA's syntax trees."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ANY = "*"  # a step that is not known, or each of an array's items
INDEX = "#"  # a step by a number

Node = Mapping[str, Any]
Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputPath:
    """A part of `input`."""

    steps: Steps


@dataclass(frozen=True, slots=True)
class DataPath:
    """A part of `data`, base or virtual."""

    steps: Steps


@dataclass(frozen=True, slots=True)
class Text:
    """A known text."""

    value: str


@dataclass(frozen=True, slots=True)
class Many:
    """A collection of these."""

    items: "Atoms"


Atoms = frozenset[InputPath | DataPath | Text | Many]


def dotted(reference: Node) -> str:
    """A reference as it is written, with dots; empty for another term."""
    if reference.get("type") != "ref":
        return ""
    return ".".join(str(part["value"]) for part in reference["value"])


def declared(terms: Any) -> Iterable[str]:
    """The variables that an expression declares: by `some` and by `:=`."""
    patterns: list[Node] = []
    if isinstance(terms, list):
        if dotted(terms[0]) == "assign":
            patterns.append(terms[1])
    elif "symbols" in terms:
        for symbol in terms["symbols"]:
            patterns += symbol["value"][1:-1] if symbol.get("type") == "call" else [symbol]
    return (name for pattern in patterns for name in variables(pattern))


def variables(pattern: Node) -> Iterable[str]:
    """The variables in a pattern."""
    match pattern.get("type"):
        case "var":
            yield pattern["value"]
        case "array":
            for item in pattern["value"]:
                yield from variables(item)
        case "object":
            for _, item in pattern["value"]:
                yield from variables(item)
