"""The rows of a bundle's data with the places where people wrote them.

A row is every object of the data that has an `id` or names a `control`. What it does not say of its
control, owner and review date it has from the row around it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from gateway.bundles.documents import is_data_document
from gateway.errors import BundleError
from gateway.wire.documents import load_yaml

_DATA_FOLDER = "data"
_CONTROLS = "controls.controls"
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INHERITED = ("control", "owner", "review_due")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file of the bundle and a line from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


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
    def pattern(self) -> str:
        """The row's pattern with its kind, such as `regex ^payment-`; empty without one."""
        for kind in ("regex", "glob"):
            if isinstance(self.value.get(kind), str):
                return f"{kind} {self.value[kind]}"
        return ""


@dataclass(frozen=True, slots=True)
class Control:
    """One control of the table of controls."""

    id: str
    title: str
    framework: str
    owner: str
    review_due: date | None
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of a bundle's data, and its controls, in the order in which they are written."""

    rows: tuple[DataRow, ...]
    controls: tuple[Control, ...]

    def of_control(self, control: str) -> list[DataRow]:
        """The rows that stand for a control."""
        return [row for row in self.rows if row.control == control]

    def find(self, control: str, row_id: str) -> DataRow | None:
        """The row with this id and control, or, since ids alone are unique too, with this id."""
        named = [row for row in self.rows if row.id == row_id]
        return next((row for row in named if row.control == control), next(iter(named), None))


def read_table(files: Mapping[str, bytes]) -> Table:
    """The rows of a bundle that was read before (`gateway.bundles.folder.read_bundle`), so that its
    data is known to be within limits. Raises BundleError with the place of a bad date, and
    ConfigError for what is no YAML."""
    rows: list[DataRow] = []
    controls: list[Control] = []
    for path in sorted(filter(is_data_document, files)):
        text = files[path].decode()
        folders = path.split("/")[:-1]
        names = ".".join(folders[1:] if folders[:1] == [_DATA_FOLDER] else folders)
        for row in _walk(load_yaml(text, path), _compose(text), names, path, {}):
            if row.list == _CONTROLS:
                controls.append(_control(row))
            else:
                rows.append(row)
    return Table(tuple(rows), tuple(controls))


def _compose(text: str) -> Any:
    """The document's nodes with their places; None for JSON that YAML reads otherwise (tabs)."""
    try:
        return yaml.compose(text, Loader=_PARSER)
    except yaml.YAMLError:
        return None


def _walk(
    value: Any, node: Any, path: str, file: str, around: Mapping[str, Any]
) -> Iterator[DataRow]:
    if isinstance(value, dict):
        if isinstance(value.get("id"), str) or isinstance(value.get("control"), str):
            row = _row({**around, **value}, value, path, Place(file, _line(node)))
            yield row
            around = {**around, **{name: value[name] for name in _INHERITED if name in value}}
        below = _members(node)
        for name, item in value.items():
            yield from _walk(item, below.get(name), f"{path}.{name}".strip("."), file, around)
    elif isinstance(value, list):
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [None] * len(value)
        for item, item_node in zip(value, nodes, strict=True):
            yield from _walk(item, item_node, path, file, around)


def _members(node: Any) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value}


def _line(node: Any) -> int:
    return node.start_mark.line + 1 if node is not None else 1


def _row(known: Mapping[str, Any], value: Mapping[str, Any], path: str, place: Place) -> DataRow:
    return DataRow(
        id=str(value.get("id", path)),
        list=path,
        control=str(known.get("control", "")),
        owner=str(known.get("owner", "")),
        review_due=_date(known.get("review_due"), place),
        value=value,
        place=place,
    )


def _control(row: DataRow) -> Control:
    return Control(
        id=row.id,
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
