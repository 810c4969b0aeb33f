"""How binding the rules and controls of a bundle are: what an exception may be from.

Rules say it in their METADATA (`custom.level`, for themselves and their `custom.controls`); a rule
over the lists `services` protects at the level that each family chooses in its head.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.bundles.folder import TEST_ENDING, Bundle
from gateway.errors import ConfigError
from gateway.wire.documents import load_yaml

HARD, SOFT, ADVISORY = "hard", "soft", "advisory"
_WEAKEST_FIRST = (SOFT, HARD, ADVISORY)
_SERVICES = "services"
_BLOCK = re.compile(r"^# METADATA\n((?:#.*\n)+)package[ \t]+([A-Za-z0-9_.]+)", re.MULTILINE)


def rule_levels(bundle: Bundle) -> Mapping[str, str]:
    """The level by rule (package) and by control id. Soft where anything of that name is soft: an
    exception then lifts the soft reasons and never the others."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    families = dict(_families(bundle.data))
    for package, custom in _rules(bundle.files):
        level = str(custom.get("level", HARD))
        names = [package, *map(str, custom.get("controls") or ())]
        levels = {level}
        if _SERVICES in (custom.get("controls_of") or ()):
            levels.update(families.values())
        for name in names:
            found[name].update(levels)
    for name, level in families.items():
        for control in _controls(bundle.data["data"][name], _SERVICES):
            found[control].add(level)
    for table in _tables(bundle.data).values():
        for control in _controls(table, "never_filter"):
            found[control].add(HARD)
    return {name: _weakest(levels) for name, levels in found.items()}


def _rules(files: Mapping[str, bytes]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, content in files.items():
        if not path.endswith(".rego") or path.endswith(TEST_ENDING):
            continue
        block = _BLOCK.search(content.decode(errors="replace").replace("\r\n", "\n"))
        if block is None:
            continue
        text = "".join(line.removeprefix("#") for line in block[1].splitlines(keepends=True))
        try:
            value = load_yaml(text, path)
        except ConfigError:
            continue  # then OPA reads no level from it either
        custom = value.get("custom") if isinstance(value, dict) else None
        if isinstance(custom, dict) and "level" in custom:
            yield block[2], custom


def _families(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The level of each family that has services."""
    for name, table in _tables(data).items():
        if table.get(_SERVICES):
            head = table.get("family")
            yield name, str(head.get("level", HARD)) if isinstance(head, Mapping) else HARD


def _tables(data: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    tables = data.get("data")
    named = tables.items() if isinstance(tables, Mapping) else ()
    return {str(name): table for name, table in named if isinstance(table, Mapping)}


def _controls(table: Mapping[str, Any], list_name: str) -> Iterable[str]:
    rows = table.get(list_name)
    rows = rows if isinstance(rows, list) else []
    return [str(row["control"]) for row in rows if isinstance(row, Mapping) and "control" in row]


def _weakest(levels: set[str]) -> str:
    return next((level for level in _WEAKEST_FIRST if level in levels), HARD)
