"""Recorded traffic: the names that processes went by."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.decisions.floor import names_of
from gateway.errors import ConfigError
from gateway.wire.classes import IDENTITY_SOURCE

_TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Distinct names; `cut` are those that were cut, so that more may follow."""

    names: frozenset[str]
    cut: frozenset[str] = frozenset()


def traffic_of(processes: Iterable[str | Mapping[str, Any]]) -> Traffic:
    """From names, or from the attributes of processes (docs/formats.md section 2)."""
    names: set[str] = set()
    cut: set[str] = set()
    for process in processes:
        if isinstance(process, str):
            names.add(process)
            continue
        attributes = {name: value for name, value in process.items() if isinstance(value, str)}
        is_cut = attributes.get(IDENTITY_SOURCE) == _TRUNCATED
        (cut if is_cut else names).update(names_of(attributes))
    return Traffic(frozenset(names - {""}), frozenset(cut))


def read_traffic(path: Path) -> Traffic:
    """A file of JSON lines, each the attributes of a process or a name; or of one JSON list of
    these. Raises ConfigError with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    processes: list[str | Mapping[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            value = _parse(line, f"{path}:{number}")
            processes += value if isinstance(value, list) else [value]
    for process in processes:
        if not isinstance(process, str | dict):
            raise ConfigError(f"{path}: a process is its attributes, or a name; mend the file")
    return traffic_of(processes)


def _parse(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(
            f"{place}: no JSON; write the attributes of one process, or its name in quotes, a line"
        ) from None
