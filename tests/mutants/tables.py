"""Mutants of bundle data: a wider or narrower pattern, a row less, another number or word.

A mutant's file is the changed document as JSON, which is YAML; `line` is where the change stands in
the original.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.mutants.mutant import Mutant, describe, number

Path_ = tuple[str | int, ...]

# Who answers for a row and how it reads; no verdict depends on it.
DESCRIPTIVE = frozenset({"id", "reason", "owner", "review_due", "title", "description", "message"})
DESCRIPTIVE |= {"framework", "remediation", "rule", "law", "decision", "controls"}
# What no verdict depends on: the gateway and its rollouts read these.
OTHERS_TABLES = frozenset({"class", "validation", "windows"})
_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")


@dataclass(frozen=True, slots=True)
class _Change:
    path: Path_
    operator: str
    before: str
    after: Any  # the new value, or _GONE


_GONE = object()


def mutate_table(policies: Path, path: str) -> list[Mutant]:
    """Every mutant of one data file; none of a table that no policy reads."""
    if Path(path).parts[1] in OTHERS_TABLES:
        return []
    content = (policies / path).read_bytes()
    document, lines = yaml.safe_load(content), _lines(yaml.compose(content, yaml.SafeLoader))
    used = _used(policies) if Path(path).parts[1] == "regions" else None
    made = [
        Mutant(
            path,
            lines[change.path],
            _place(document, change.path),
            change.operator,
            describe(change.before, "" if change.after is _GONE else str(change.after)),
            json.dumps(_changed(document, change), indent=1).encode(),
        )
        for change in _changes(document, ())
        if used is None or not _is_unused_law(change, used)
    ]
    return list(number(made, json.dumps(document, indent=1).encode()))


def _changes(value: Any, path: Path_) -> Iterator[_Change]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key not in DESCRIPTIVE:
                yield from _changes(member, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict) and item.get("relied_on") is False:
                # Such a row decides nothing, until somebody relies on it.
                yield _Change((*path, index, "relied_on"), "constant", "False", True)
                continue
            named = item.get("id", item) if isinstance(item, dict) else item
            yield _Change((*path, index), "drop row", str(named), _GONE)
            if isinstance(item, dict):
                yield from _changes(item, (*path, index))
    elif isinstance(value, bool):
        yield _Change(path, "constant", str(value), not value)
    elif isinstance(value, int):
        for after in (value + 1, value - 1):
            yield _Change(path, "number", str(value), after)
    elif isinstance(value, str):
        yield from _texts(value, path)


def _used(policies: Path) -> frozenset[str]:
    """Every word of every other table: a jurisdiction that none names decides nothing."""
    tables = (policies / "data").glob("*/data.yaml")
    text = " ".join(path.read_text() for path in tables if path.parent.name != "regions")
    return frozenset(re.findall(r"[\w-]+", text))


def _is_unused_law(change: _Change, used: frozenset[str]) -> bool:
    return change.path[0] == "places" and len(change.path) > 2 and change.before not in used


def _texts(value: str, path: Path_) -> Iterator[_Change]:
    if path[-1] == "regex":
        for after in _patterns(value):
            yield _Change(path, "pattern", value, after)
    elif path[-1] == "glob":
        yield _Change(path, "pattern", value, "*" + value)
        if "*" in value:
            yield _Change(path, "pattern", value, value.replace("*", ""))
    else:
        yield _Change(path, "constant", value, value + "-mutant")


def _patterns(regex: str) -> Iterator[str]:
    if regex.startswith("^"):
        yield regex[1:]
    yield regex[:-1] if regex.endswith("$") else regex + "$"
    for group in _GROUP.finditer(regex):
        branches = group[1].split("|")
        for branch in branches:
            rest = "|".join(kept for kept in branches if kept is not branch)
            yield f"{regex[: group.start()]}({rest}){regex[group.end() :]}"


def _changed(document: Any, change: _Change) -> Any:
    copy = json.loads(json.dumps(document))
    *way, last = change.path
    place = copy
    for step in way:
        place = place[step]
    if change.after is _GONE:
        del place[last]
    else:
        place[last] = change.after
    return copy


def _place(document: Any, path: Path_) -> str:
    """The row that a change is in by its id, and the member."""
    names: list[str] = []
    value = document
    for step in path:
        value = value[step]
        named = value.get("id") if isinstance(value, dict) else None
        names.append(str(named or step))
    return ".".join(names)


def _lines(node: yaml.Node | None, path: Path_ = ()) -> dict[Path_, int]:
    if node is None:
        return {}
    lines = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines |= _lines(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines |= _lines(item, (*path, index))
    return lines
