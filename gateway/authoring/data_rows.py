"""The rows of a bundle's data with the places where people wrote them.

A row is every object of the data that has an `id`, a `control` or a `review_due`, and every head
`family` of a table. What it does not say of its control, owner and review date it has from the row
around it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.authoring.data_schemas import FAMILY
from gateway.authoring.finding import Place
from gateway.authoring.positions import read_document
from gateway.authoring.rows import CONTROLS, Row, find_rows
from gateway.bundles.documents import is_data_document
from gateway.errors import BundleError

_DATA_FOLDER = "data"
_MARKS = {"id", "control", "review_due"}


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row. `list` is its path below Rego's `data.data`; `id` is that path for a row without
    one. `owner` is empty and `review_due` None where nobody wrote them. `value` is the row."""

    id: str
    list: str
    control: str
    owner: str
    review_due: date | None
    value: Mapping[str, Any]
    place: Place

    @property
    def at(self) -> str:
        """The place as `file:line`."""
        return f"{self.place.file}:{self.place.line}"

    @property
    def pattern(self) -> str:
        """The row's pattern with its kind, such as `regex ^payment-`; empty without one."""
        for kind in ("regex", "glob"):
            if isinstance(self.value.get(kind), str):
                return f"{kind} {self.value[kind]}"
        return ""


@dataclass(frozen=True, slots=True)
class Control:
    """One listed control; `table` is the data that lists it, such as `pci`."""

    id: str
    table: str
    title: str
    framework: str
    owner: str
    review_due: date | None
    place: Place

    @property
    def at(self) -> str:
        """The place as `file:line`."""
        return f"{self.place.file}:{self.place.line}"


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of a bundle's data, and its controls, in the order in which they are written."""

    rows: tuple[DataRow, ...]
    controls: tuple[Control, ...]

    def of_control(self, control: str) -> list[DataRow]:
        """The rows that stand for a control."""
        return [row for row in self.rows if row.control == control]

    def family(self, table: str) -> DataRow | None:
        """The head of a table that is a law or standard: its row `family`."""
        return next((row for row in self.rows if row.list == f"{table}.{FAMILY}"), None)

    def find(self, control: str, row_id: str) -> DataRow | None:
        """The row with this id and control, or, since ids alone are unique too, with this id."""
        named = [row for row in self.rows if row.id == row_id]
        return next((row for row in named if row.control == control), next(iter(named), None))


def read_table(files: Mapping[str, bytes]) -> Table:
    """The rows of a bundle that was read before (`gateway.bundles.folder.read_bundle`), so that its
    data is known to be within limits. Raises BundleError with the place of a bad date."""
    rows: list[DataRow] = []
    controls: list[Control] = []
    documents = [
        read_document(path, files[path]) for path in sorted(filter(is_data_document, files))
    ]
    for found in filter(_is_listed, find_rows(documents)):
        row = _row(found)
        if found.list_name == CONTROLS:
            controls.append(_control(row))
        else:
            rows.append(row)
    return Table(tuple(rows), tuple(controls))


def _is_listed(row: Row) -> bool:
    return bool(_MARKS & row.value.keys()) or row.path == (FAMILY,)


def _row(row: Row) -> DataRow:
    folders = row.document.file.split("/")[:-1]
    names = folders[1:] if folders[:1] == [_DATA_FOLDER] else folders
    path = ".".join([*names, *(step for step in row.path if isinstance(step, str))])
    return DataRow(
        id=str(row.value.get("id", path)),
        list=path,
        control=str(row.known("control") or ""),
        owner=str(row.known("owner") or ""),
        review_due=_date(row.known("review_due"), row.place),
        value=row.value,
        place=row.place,
    )


def _control(row: DataRow) -> Control:
    return Control(
        id=row.id,
        table=row.list.rpartition(".")[0],
        title=str(row.value.get("title", "")),
        framework=str(row.value.get("framework", "")),
        owner=row.owner,
        review_due=row.review_due,
        place=row.place,
    )


def _date(value: Any, place: Place) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BundleError(
            f'{place}: review_due is no date; write it as "2027-05-31", in quotes'
        ) from None
