"""What families and rows say of places: a law for a jurisdiction in which no place lies protects
nobody, and a misspelt one says so to nobody else.

Read from the table `regions` (docs/policies.md): `places` with their jurisdictions, the clouds'
`regions` and the own `sites`. Environments are whatever certificates say, so they are not checked.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding
from gateway.authoring.rows import Row
from gateway.wire.documents import Path

_TABLE = ("data", "regions")
_SCOPE = "applies_to"
_RESIDENCY = "residency"
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class _Known:
    places: Collection[str]
    jurisdictions: Collection[str]
    regions: Collection[str]


def check_scopes(rows: Sequence[Row], tree: Mapping[str, Any]) -> list[Finding]:
    """Jurisdictions, regions and places that stand in no table; `tree` is the bundle's data. None
    without a table of regions."""
    known = _read(tree)
    return [] if known is None else [one for row in rows for one in _check(row, known)]


def _check(row: Row, known: _Known) -> Iterator[Finding]:
    scope = row.value.get(_SCOPE)
    if row.is_of_family and isinstance(scope, Mapping):
        at = (*row.path, _SCOPE)
        yield from _unknown(row, at, scope, "jurisdictions", known.jurisdictions)
        yield from _unknown(row, at, scope, "regions", known.regions)
    if row.list_name == _RESIDENCY:
        yield from _unknown(row, row.path, row.value, "jurisdictions", known.jurisdictions)
    place = row.value.get("place")
    if row.path[:1] == ("sites",) and isinstance(place, str) and place not in known.places:
        yield _finding(row, (*row.path, "place"), "place", place, known.places)


def _unknown(
    row: Row, at: Path, value: Mapping[str, Any], name: str, known: Collection[str]
) -> Iterator[Finding]:
    items = value.get(name)
    for position, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, str) and item not in known:
            yield _finding(row, (*at, name, position), name.removesuffix("s"), item, known)


def _finding(row: Row, at: Path, kind: str, item: str, known: Collection[str]) -> Finding:
    text = {
        "jurisdiction": "no place of data/regions lies in jurisdiction",
        "region": "data/regions does not list region",
        "place": "data/regions has no place",
    }[kind]
    near = difflib.get_close_matches(item, sorted(known), n=1)
    return found(
        "scope-unknown",
        row.document.place(at),
        f"{text} {item[:_SHOWN]}, so this reaches nobody" if kind != "place" else f"{text} {item}",
        f"write {near[0]!r}, or add it to data/regions" if near else "add it to data/regions",
    )


def _read(tree: Mapping[str, Any]) -> _Known | None:
    table: Any = tree
    for name in _TABLE:
        table = table.get(name) if isinstance(table, Mapping) else None
    if not isinstance(table, Mapping):
        return None
    places = _object(table.get("places"))
    own = [site.get("region") for site in _list(table.get("sites")) if isinstance(site, Mapping)]
    return _Known(
        places=places,
        jurisdictions={str(one) for named in places.values() for one in _list(named)},
        regions={*map(str, own), *_object(table.get("regions"))},
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
