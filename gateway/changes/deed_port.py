"""What deeds need of the database: what may be removed, and whom a removal would touch
(docs/formats.md section 15). Nothing here removes: a removal travels with the entry that says so
(`gateway.audit.port.Removal`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month (`YYYY-MM`) of a region and retention class: what one month key seals."""

    region: str
    retention_class: str
    month: str


@dataclass(frozen=True, slots=True)
class DueMonth:
    """A month key whose time is over. `key` is its id, `<log>/<region>/<class>/<month>`; `payloads`
    is how many rows it seals, erased ones not counted."""

    key: str
    month: Month
    payloads: int


@dataclass(frozen=True, slots=True)
class DueEntries:
    """Entries `first` to `last` (inclusive; `first` and `last + 1` are multiples of 256) that are
    old enough, lie below the newest checkpoint and are whole in an archive. `from_month` and
    `to_month` (`YYYY-MM`) are the earliest and latest month of their times."""

    first: int
    last: int
    from_month: str
    to_month: str


@dataclass(frozen=True, slots=True)
class DuePlan:
    """Everything that retention lets go, whatever holds say; months and ranges in order. Nothing
    that is gone already is in it."""

    months: tuple[DueMonth, ...] = ()
    entries: tuple[DueEntries, ...] = ()


class Removals(Protocol):
    """One log's. Blocking; each raises StorageError where the database cannot be read."""

    def due(self, now_us: int) -> DuePlan:
        """What may be purged at this time by the configured retention."""

    def verify_archived(self, first: int, last: int) -> None:
        """Read these entries in the archive: soon there is no other copy. Raises GatewayError where
        one of them is not there or does not hold."""

    def count_kept(self, first: int, last: int) -> int:
        """How many entries, those of the journal not counted, a purge of these leaves in tiles out
        of which it takes something: its own entry says so, and a verifier holds it to that."""

    def openable(self) -> Sequence[str]:
        """The ids of all classes whose payload can still be opened, sorted: what a search by
        attributes has to open."""

    def match(self, class_ids: Sequence[str], attributes: Mapping[str, str]) -> Sequence[str]:
        """Those of the class ids whose class has every one of the attributes with exactly this
        value, in the order given. Opens payloads: the caller has recorded it (`payload.opened`).
        Raises KeyServiceError."""

    def months_of(self, class_ids: Sequence[str]) -> Mapping[str, Month]:
        """The month of each class id that has a payload row in this log."""
