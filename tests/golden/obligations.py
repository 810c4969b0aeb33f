"""Merging of duties, so that each of them is met, and what is said where they collide."""

from collections.abc import Sequence
from typing import Any

from tests.golden.findings import Finding, Reason
from tests.golden.tables import Row, Tables


def merge_obligations(found: Sequence[Finding], tables: Tables) -> tuple[list[Row], list[Reason]]:
    """One obligation a type, sorted by type, and a reason for each collision of duties."""
    by_type: dict[str, list[tuple[Finding, Row]]] = {}
    for finding in found:
        for duty in finding.obligations:
            by_type.setdefault(duty["type"], []).append((finding, duty))
    merged: list[Row] = []
    conflicts: list[Reason] = []
    for kind, duties in sorted(by_type.items()):
        whole: dict[str, Any] = {"type": kind}
        if kind == "retain_days":
            days, collision = _retention(duties, tables)
            whole |= days
            conflicts += collision
        elif kind == "allowed_regions":
            every = [set(one["regions"]) for _, one in duties]
            whole["regions"] = sorted(set.intersection(*every))
            if not whole["regions"]:
                conflicts.append(_residency_conflict(duties, tables))
        elif kind == "mask":
            whole["attributes"] = sorted({name for _, one in duties for name in one["attributes"]})
        merged.append(whole)
    return merged, conflicts


def _retention(
    duties: list[tuple[Finding, Row]], tables: Tables
) -> tuple[dict[str, int], list[Reason]]:
    """The longest periods that evidence asks for and the shortest that privacy allows. Evidence
    wins where they collide."""
    days: dict[str, int] = {}
    for name, pick in (("at_least", max), ("at_hand", max), ("at_most", min)):
        asked = [duty[name] for _, duty in duties if name in duty]
        if asked:
            days[name] = pick(asked)
    if "at_least" not in days or "at_most" not in days or days["at_least"] <= days["at_most"]:
        return days, []
    least, most = days["at_least"], days.pop("at_most")
    sides = (
        f"{_asking(duties, 'at_least', least)} asks for at least {least} days, "
        f"{_asking(duties, 'at_most', most)} for at most {most}"
    )
    return days, [_conflict("retention_conflict", sides, tables)]


def _residency_conflict(duties: list[tuple[Finding, Row]], tables: Tables) -> Reason:
    sides = " and ".join(sorted({_named(finding) for finding, _ in duties}))
    return _conflict("residency_conflict", sides, tables)


def _asking(duties: list[tuple[Finding, Row]], name: str, days: int) -> str:
    return ", ".join(sorted({_named(one) for one, duty in duties if duty.get(name) == days}))


def _named(finding: Finding) -> str:
    return f"{finding.reason.control} ({finding.row})"


def _conflict(kind: str, sides: str, tables: Tables) -> Reason:
    row = tables.by_name["baseline"][kind]
    return Reason(
        control=row["control"],
        rule=row["rule"],
        level=row["level"],
        message=f"{row['message']}: {sides}",
        remediation=row["remediation"],
    )
