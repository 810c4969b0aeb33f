"""Rows as CSV (RFC 4180) with the seven fields of a change and each row's place in the log."""

import csv
from collections.abc import Iterable
from typing import TextIO

from gateway.clock import format_time
from gateway.reading.rows import Row

CHANGE_FIELDS = (
    *("user", "change_type", "previous_value", "new_value", "justification", "approval_id"),
)
COLUMNS = (
    *("seq", "position", "leaf_hash", "time", "type", "actor", "class", "process", "action"),
    *("effect", "controls", "count", *CHANGE_FIELDS, "detail"),
)
# A spreadsheet runs a cell that begins so; the text comes from whoever wrote the entry.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(rows: Iterable[Row], out: TextIO) -> int:
    """Write a heading and the rows; gives how many."""
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    written = 0
    for row in rows:
        writer.writerow([_inert(cell) for cell in _cells(row)])
        written += 1
    return written


def _cells(row: Row) -> list[str]:
    return [
        str(row.seq),
        str(row.position),
        row.located.leaf_hash,
        format_time(row.time_us) if row.located.entry is not None else "",
        row.type,
        row.actor,
        row.class_id,
        row.process,
        row.action,
        row.effect,
        " ".join(row.controls),
        str(row.count) if row.count else "",
        *(str(row.change.get(name) or "") for name in CHANGE_FIELDS),
        row.detail,
    ]


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
