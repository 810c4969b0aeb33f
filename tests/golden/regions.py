"""Whose law reaches a region."""

import functools

from tests.golden.tables import Tables


@functools.cache
def jurisdictions(tables: Tables) -> dict[str, frozenset[str]]:
    """The jurisdictions of each region that the table lists, the clouds' and the sites."""
    table = tables.by_name["regions"]
    laws = {name: frozenset(place["jurisdictions"]) for name, place in table["places"].items()}
    clouds = {
        region: laws[name] for name, place in table["places"].items() for region in place["regions"]
    }
    return clouds | {site["region"]: laws[site["place"]] for site in table.get("sites", [])}
