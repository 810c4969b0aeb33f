"""What the corpus is made of: one proposal with its sender, and what the tables name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.golden.patterns import examples
from tests.golden.regions import jurisdictions
from tests.golden.tables import Row, Tables

Subject = dict[str, Any]
Proposal = dict[str, Any]
PLAIN = "log-shipper"
HOME: Subject = {"environment": "production", "region": "us-east-1", "tier": "unlisted"}
ACTIONS = (("drop", 0), ("sample", 1), ("sample", 500), ("sample", 999), ("keep", 1000))
SOURCES = ("argv", "systemd", "cgroup", "label", "executable", "path", "unknown", "interpreter")
TIERS = ("edge", "regional", "central", "unlisted", "no-such-tier")


@dataclass(frozen=True, slots=True)
class Case:
    """One proposal and who sends it when."""

    subject: Any
    context: Any
    proposal: Any


def open_windows(*names: str) -> dict[str, Any]:
    """The context in which these windows are open."""
    return {"time": {"windows": list(names)}}


def propose(
    name: str | None = None,
    action: tuple[str, Any] = ACTIONS[0],
    score: Any = 250,
    **attributes: Any,
) -> Proposal:
    """A well-formed proposal; dots of attributes are written as `__`."""
    process = {key.replace("__", "."): value for key, value in attributes.items()}
    if name is not None:
        process |= {
            "process.executable.name": name,
            "compliance.process.identity": name,
            "compliance.process.identity_source": "executable",
        }
    return {
        "process": process,
        "action": action[0],
        "sample_permille": action[1],
        "score": score,
        "profile": "balanced",
    }


def pattern_rows(tables: Tables) -> Iterator[tuple[str, Row]]:
    """Every row with a pattern, and the table it stands in."""
    for name, table in tables.by_name.items():
        yield from ((name, row) for row in _with_patterns(table))


def _with_patterns(value: Any) -> Iterator[Row]:
    if isinstance(value, dict):
        if "regex" in value or "glob" in value:
            yield value
        for member in value.values():
            yield from _with_patterns(member)
    elif isinstance(value, list):
        for item in value:
            yield from _with_patterns(item)


def sender_under(tables: Tables, table: str) -> Subject:
    """A sender that a family applies to; for other tables, and where no region is under the
    family, the usual one."""
    applies = tables.by_name[table].get("family", {}).get("applies_to", {})
    wanted = set(applies.get("jurisdictions", []))
    under = [
        region for region, laws in sorted(jurisdictions(tables).items()) if not wanted - laws
    ] or [region for region, laws in sorted(jurisdictions(tables).items()) if wanted & laws]
    region = [*applies.get("regions", []), *under, HOME["region"]][0] if applies else HOME["region"]
    environment = [*applies.get("environments", []), HOME["environment"]][0]
    return {**HOME, "region": region, "environment": environment}


def environments(tables: Tables) -> list[str]:
    """Environments that some table names, and two that none does."""
    named = {"development", "production"}
    for table in tables.by_name.values():
        for value in _members(table, "environments"):
            named |= set(value)
    return sorted(named)


def _members(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key == name:
                yield member
            yield from _members(member, name)
    elif isinstance(value, list):
        for item in value:
            yield from _members(item, name)


def representatives(tables: Tables) -> list[str]:
    """One name for each list of rows: what brings a process into the scope of a family."""
    names = [PLAIN]
    for table in tables.by_name.values():
        for part in ("never_filter", "services"):
            rows = table.get(part) or []
            names += [examples(row)[-1] for row in rows[:1]]
    return names
