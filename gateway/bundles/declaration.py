"""What a bundle's policies may read of a process (docs/formats.md section 2)."""

from typing import Any

from gateway.errors import BundleError
from gateway.wire.classes import ClassDeclaration
from gateway.wire.verdicts import KEEP_PERMILLE

MAX_ATTRIBUTES = 64
MAX_EDGES = 20
_PLACE = "data/class/data.yaml"
# What changes from process to process or from scrape to scrape would make a class of every process.
_NEVER_DECLARED = ("process.pid", "process.parent_pid", "process.creation.time", "host.id")
_NEVER_DECLARED_BELOW = ("process.cpu.", "process.memory.", "process.command")


def read_declaration(value: Any) -> ClassDeclaration:
    """The declaration of `data.data.class`; raises BundleError."""
    if not isinstance(value, dict) or value.keys() != {"attributes", "score_edges"}:
        raise BundleError(
            f"{_PLACE}: must declare what policies read: exactly attributes and score_edges"
        )
    return ClassDeclaration(_attributes(value["attributes"]), _edges(value["score_edges"]))


def _attributes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_ATTRIBUTES:
        raise BundleError(f"{_PLACE}: attributes must list 1 to {MAX_ATTRIBUTES} names")
    for name in value:
        if not isinstance(name, str) or not name:
            raise BundleError(f"{_PLACE}: attributes must be names, as text")
        if name in _NEVER_DECLARED or name.startswith(_NEVER_DECLARED_BELOW):
            raise BundleError(f"{_PLACE}: policies never read {name}; remove it from attributes")
    if len(set(value)) != len(value):
        raise BundleError(f"{_PLACE}: a name stands twice in attributes")
    return tuple(value)


def _edges(value: Any) -> tuple[int, ...]:
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= MAX_EDGES
        or any(type(edge) is not int for edge in value)
        or value != sorted(set(value))
        or value[0] < 0
        or value[-1] != KEEP_PERMILLE
    ):
        raise BundleError(
            f"{_PLACE}: score_edges must be rising whole numbers from 0, the last {KEEP_PERMILLE}"
        )
    return tuple(value)
