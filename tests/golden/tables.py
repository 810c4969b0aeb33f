"""The bundle's tables and the METADATA of its rules, read as they stand in the folder."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.golden.patterns import matches_row

Row = Mapping[str, Any]
_METADATA = re.compile(r"\A# METADATA\n((?:#.*\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule's METADATA says of it. `name` is its package, which reasons carry."""

    name: str
    title: str
    level: str
    remediation: str


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """`by_name` has one document per folder of data/; `rules` is by package. Compared by identity,
    so that what is worked out of them can be remembered."""

    by_name: Mapping[str, Row]
    rules: Mapping[str, Rule]

    @property
    def families(self) -> Iterator[tuple[str, Row]]:
        """The tables with a head `family`, and their names."""
        return ((name, table) for name, table in self.by_name.items() if "family" in table)


@functools.cache
def matching(tables: Tables, table: str, part: str, names: frozenset[str]) -> list[Row]:
    """The rows of a table's list that match one of the names."""
    rows = tables.by_name[table].get(part) or []
    return [row for row in rows if any(matches_row(row, name) for name in names)]


def read_tables(policies: Path) -> Tables:
    """Read every `data.yaml` and the METADATA of every `rule.rego`."""
    by_name = {
        path.parent.name: yaml.safe_load(path.read_bytes())
        for path in sorted((policies / "data").glob("*/data.yaml"))
    }
    rules = [_rule(policies, path) for path in sorted((policies / "rules").rglob("rule.rego"))]
    return Tables(by_name, {rule.name: rule for rule in rules})


def _rule(policies: Path, path: Path) -> Rule:
    found = _METADATA.match(path.read_text())
    if found is None:
        raise ValueError(f"{path} does not begin with METADATA")
    said = yaml.safe_load(re.sub(r"^#", "", found[1], flags=re.MULTILINE))
    custom = said.get("custom", {})
    return Rule(
        name=".".join(path.parent.relative_to(policies).parts),
        title=said["title"],
        level=custom.get("level", "hard"),
        remediation=custom.get("remediation", ""),
    )
