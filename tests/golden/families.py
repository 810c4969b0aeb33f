"""Families of laws as data (docs/policies.md, "How a family is written")."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.golden.baseline import Process, Sender
from tests.golden.findings import Finding, find
from tests.golden.regions import jurisdictions
from tests.golden.tables import Row, Tables, matching


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sender stands. `is_listed` is whether the table of regions knows the region."""

    environment: str
    region: str
    jurisdictions: frozenset[str]
    is_listed: bool

    @classmethod
    def of(cls, sender: Sender, tables: Tables) -> "Place":
        found = jurisdictions(tables).get(sender.region)
        return cls(sender.environment, sender.region, found or frozenset(), found is not None)

    def is_under(self, applies_to: Row, protects: bool) -> bool:
        """Whether each condition that is given holds. A region that nobody listed may be in any
        jurisdiction, so it is in each of what protects and in none of the rest."""
        environments, regions = applies_to.get("environments"), applies_to.get("regions")
        laws = applies_to.get("jurisdictions")
        if environments is not None and self.environment not in environments:
            return False
        if regions is not None and self.region not in regions:
            return False
        if not self.is_listed:
            return protects
        return laws is None or not self.jurisdictions.isdisjoint(laws)


def family_findings(tables: Tables, sender: Sender, process: Process) -> Iterator[Finding]:
    """The findings of every family for one process."""
    place = Place.of(sender, tables)
    for name, family in tables.families:
        yield from _findings(tables, place, name, family, process)


def _findings(
    tables: Tables, place: Place, name: str, family: Row, process: Process
) -> Iterator[Finding]:
    head = family["family"]
    applies = head.get("applies_to", {})

    def say(kind: str, row: Row, obligations: tuple[Row, ...]) -> Finding:
        return find(tables.rules[f"rules.families.{kind}"], row, obligations, head)

    own = tuple({"type": kind} for kind in head.get("obligations", []))
    names = process.names or frozenset()
    never = matching(tables, name, "never_filter", names)
    is_protected = place.is_under(applies, protects=True)
    services = matching(tables, name, "services", names) if is_protected else []
    services = [row for row in services if place.is_under(row.get("applies_to", {}), True)]
    yield from (say("never_filter", row, own) for row in never)
    yield from (say("services", row, own) for row in services)
    in_scope = bool(never or services)
    for kind in ("retention", "residency", "masks", "handling"):
        for row in family.get(kind, []):
            protects = _protects(kind, row)
            if row.get("of") == "services" and not in_scope:
                continue
            if place.is_under(applies, protects) and place.is_under(
                row.get("applies_to", {}), protects
            ):
                yield say(kind, row, _duties(tables, kind, row))


def _protects(kind: str, row: Row) -> bool:
    """What an unlisted region is under: deleting early and keeping data in lose evidence there."""
    return kind in ("masks", "handling") or (
        kind == "retention" and "at_most" not in row["retain_days"]
    )


def _duties(tables: Tables, kind: str, row: Row) -> tuple[Row, ...]:
    if kind == "retention":
        return ({"type": "retain_days", **row["retain_days"]},)
    if kind == "residency":
        return ({"type": "allowed_regions", "regions": allowed_regions(tables, row)},)
    if kind == "masks":
        return ({"type": "mask", "attributes": row["attributes"]},)
    return tuple({"type": one} for one in row["obligations"])


def allowed_regions(tables: Tables, row: Row) -> list[str]:
    """Every listed region of the row's jurisdictions, and of those that its table of adequacy
    relies on."""
    wanted = set(row["jurisdictions"])
    if "adequacy" in row:
        wanted |= set(_adequate(tables, row["adequacy"]))
    return sorted(
        name for name, laws in jurisdictions(tables).items() if not laws.isdisjoint(wanted)
    )


def _adequate(tables: Tables, authority: str) -> list[str]:
    return [
        decision["jurisdiction"]
        for decision in tables.by_name["adequacy"]["decisions"]
        if decision["authority"] == authority and decision["relied_on"]
    ]
