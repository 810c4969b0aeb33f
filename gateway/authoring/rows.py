"""The rows that people write in data, at any depth, with what stands around them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.authoring.data_schemas import FAMILY
from gateway.authoring.finding import Place
from gateway.authoring.positions import Document
from gateway.wire.documents import Path

CONTROLS = "controls"
NEVER_FILTER = "never_filter"
_DROPPING_LISTS = {"allow_drop", "exceptions"}
_ALLOWS_DROPPING = "allows_dropping"
_MARKS = {"id", "control", "regex", "glob", "owner", "review_due"}
_INHERITED = ("control", "owner", "review_due", _ALLOWS_DROPPING)
_SEALED = "ENC["  # what SOPS writes in place of a value


@dataclass(frozen=True, slots=True)
class Row:
    """One object that has an id, a control or a pattern, or says who answers for what is in it: the
    head of a family, a whole table. `around` is what the objects around it
    say of control, owner, review and dropping; the row's own words come first."""

    document: Document
    path: Path
    value: Mapping[str, Any]
    around: Mapping[str, Any]

    @property
    def list_name(self) -> str:
        """The name that the row, or the list with the row, stands under."""
        return next((step for step in reversed(self.path) if isinstance(step, str)), "")

    @property
    def list_key(self) -> tuple[str, Path]:
        """The same for the rows of one list."""
        return self.document.file, self.path[:-1]

    @property
    def place(self) -> Place:
        return self.document.place(self.path)

    def place_of(self, name: str) -> Place:
        """Where a member's value stands; the row's place where it has none."""
        return self.document.place((*self.path, name))

    @property
    def shown(self) -> str:
        """How messages call the row."""
        value = self.value.get("id")
        return f"row {value}" if isinstance(value, str) else f"the row at {self.place}"

    def known(self, name: str) -> Any:
        """A member of the row or of what stands around it."""
        return self.value.get(name, self.around.get(name))

    @property
    def is_control(self) -> bool:
        return self.list_name == CONTROLS and "control" not in self.value

    @property
    def is_of_family(self) -> bool:
        return FAMILY in self.document.value

    @property
    def has_pattern(self) -> bool:
        return "regex" in self.value or "glob" in self.value

    @property
    def is_sealed(self) -> bool:
        """Whether the pattern is encrypted, so that nothing can be said of it."""
        return any(str(self.value.get(kind, "")).startswith(_SEALED) for kind in ("regex", "glob"))

    @property
    def allows_dropping(self) -> bool:
        """Whether the list says what may be dropped, rather than what is kept."""
        return self.list_name in _DROPPING_LISTS or self.known(_ALLOWS_DROPPING) is True


def find_rows(documents: Sequence[Document]) -> list[Row]:
    """All rows, in the order in which they are written."""
    return [row for document in documents for row in _walk(document, (), document.value, around={})]


def _walk(document: Document, path: Path, value: Any, around: Mapping[str, Any]) -> Iterator[Row]:
    if isinstance(value, dict):
        if _MARKS & value.keys() or path == (FAMILY,):
            yield Row(document, path, value, around)
        inherited = {name: value[name] for name in _INHERITED if name in value}
        for name, item in value.items():
            yield from _walk(document, (*path, name), item, {**around, **inherited})
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _walk(document, (*path, at), item, around)
