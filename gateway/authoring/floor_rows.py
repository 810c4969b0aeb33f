"""Rows of `never_filter`: each must be one that the floor takes, and stand where it looks.

The bundle's rows join the floor from `data.data.<table>.never_filter` alone (docs/formats.md
section 6); a list of that name anywhere else would protect nothing.
"""

from collections.abc import Sequence

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding
from gateway.authoring.rows import NEVER_FILTER, Row
from gateway.decisions.floor import parse_rows
from gateway.errors import BundleError

_DEPTH = 4  # data, the table, never_filter, the row's position


def check_floor_rows(rows: Sequence[Row]) -> list[Finding]:
    """What would keep a row of `never_filter` out of the floor, but for its pattern."""
    findings = []
    for row in rows:
        if row.list_name != NEVER_FILTER:
            continue
        if len(row.document.file.split("/")[:-1]) + len(row.path) != _DEPTH:
            findings.append(
                found(
                    "floor-row",
                    row.place,
                    f"{row.shown} is not read: never_filter stands right below a table",
                    "move the list to the top of data/<table>/data.yaml",
                )
            )
        elif not row.is_sealed and (reason := _refusal(row)) is not None:
            findings.append(found("floor-row", row.place, reason, "mend the row"))
    return findings


def _refusal(row: Row) -> str | None:
    # The pattern has lints of its own; one that is good stands in for it.
    value = {name: item for name, item in row.value.items() if name not in ("regex", "glob")}
    try:
        parse_rows([{**value, "glob": "x"}], "never_filter")
    except BundleError as error:
        sentence = str(error).removeprefix("never_filter: ").partition(";")[0]
        return sentence.replace("row 1 needs an id and either regex or glob", "id is missing")
    return None
