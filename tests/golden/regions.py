"""Whose law reaches a region."""

import functools

from tests.golden.tables import Tables


@functools.cache
def jurisdictions(tables: Tables) -> dict[str, frozenset[str]]:
    """The jurisdictions of each region of the clouds and of the sites. One whose place has none
    counts as not listed."""
    table = tables.by_name["regions"]
    places = dict(table["regions"]) | {
        site["region"]: site["place"] for site in table.get("sites", [])
    }
    laws = {region: frozenset(table["places"].get(place, ())) for region, place in places.items()}
    return {region: found for region, found in laws.items() if found}
