"""The register of all customisations: who answers for each row of data and each control, and until
when it was last reviewed (`gateway policy register`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.authoring.data_rows import Control, DataRow, Table
from gateway.authoring.finding import Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One customisation. `list` is `controls` for a control itself. `owner` may be empty and
    `review_due` None: then nobody reviews it, which `is_unowned` says."""

    id: str
    list: str
    pattern: str
    control: str
    owner: str
    review_due: date | None
    place: Place
    is_overdue: bool

    @property
    def at(self) -> str:
        """The place as `file:line`."""
        return f"{self.place.file}:{self.place.line}"

    @property
    def is_unowned(self) -> bool:
        """Whether it lacks an owner or a date of review."""
        return not self.owner or self.review_due is None

    def record(self, root: str) -> dict[str, Any]:
        """The entry for machines; `root` is the bundle's folder."""
        return {
            "id": self.id,
            "list": self.list,
            "pattern": self.pattern or None,
            "control": self.control,
            "owner": self.owner or None,
            "review_due": self.review_due.isoformat() if self.review_due else None,
            "overdue": self.is_overdue,
            "place": f"{root}/{self.at}",
        }


@dataclass(frozen=True, slots=True)
class Register:
    """Every customisation as of a day: the overdue ones first, the longest overdue on top."""

    as_of: date
    entries: tuple[Entry, ...]

    @property
    def overdue(self) -> list[Entry]:
        """Those whose review was due before `as_of`."""
        return [entry for entry in self.entries if entry.is_overdue]

    @property
    def unowned(self) -> list[Entry]:
        """Those without an owner or a date."""
        return [entry for entry in self.entries if entry.is_unowned]

    def record(self, root: str) -> Mapping[str, Any]:
        """The register for machines."""
        return {
            "as_of": self.as_of.isoformat(),
            "overdue": len(self.overdue),
            "unowned": len(self.unowned),
            "entries": [entry.record(root) for entry in self.entries],
        }


def make_register(table: Table, as_of: date) -> Register:
    """The register as of a day. Something is overdue from the day after its `review_due`."""
    entries = [
        *(_of_control(control, as_of) for control in table.controls),
        *(_of_row(row, as_of) for row in table.rows if _is_customisation(row)),
    ]
    entries.sort(key=lambda entry: _rank(entry, as_of))
    return Register(as_of, tuple(entries))


def _is_customisation(row: DataRow) -> bool:
    """Not a reason that policies copy as it is, which has a control and nothing of its own."""
    own = row.value.keys() & {"id", "owner", "review_due"}
    return bool(own or row.pattern or row.list.endswith(".family"))


def _rank(entry: Entry, as_of: date) -> tuple[date, str, int]:
    """By due date while that is past, and all others together after these, by place."""
    due = entry.review_due if entry.is_overdue and entry.review_due else as_of
    return due, entry.place.file, entry.place.line


def _of_row(row: DataRow, as_of: date) -> Entry:
    return Entry(
        id=row.id,
        list=row.list,
        pattern=row.pattern,
        control=row.control,
        owner=row.owner,
        review_due=row.review_due,
        place=row.place,
        is_overdue=_is_overdue(row.review_due, as_of),
    )


def _of_control(control: Control, as_of: date) -> Entry:
    return Entry(
        id=control.id,
        list="controls",
        pattern="",
        control=control.id,
        owner=control.owner,
        review_due=control.review_due,
        place=control.place,
        is_overdue=_is_overdue(control.review_due, as_of),
    )


def _is_overdue(due: date | None, as_of: date) -> bool:
    return due is not None and due < as_of
