"""What may leave the database, and what the entries of the log say has left (docs/formats.md
section 15). Pure, but for the rows that `History` reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.audit.lost import Lost
from gateway.audit.port import Removal
from gateway.audit.tree import TILE_WIDTH
from gateway.canonical import Value

ERASED = "payloads.erased"
PURGED = "payloads.purged"
ENTRIES_PURGED = "entries.purged"
REMOVING_TYPES = frozenset({ERASED, PURGED, ENTRIES_PURGED})
NOTHING = Removal()
_NO_SEQ = -1


def removal_named_by(type: str, body: Mapping[str, Value]) -> Removal:
    """What a journal entry says has left the database; nothing for another type or body."""
    if type == ERASED:
        return Removal(class_ids=_texts(body.get("classes")))
    if type == PURGED:
        return Removal(month_keys=_texts(body.get("month_keys")))
    first, last = body.get("first"), body.get("last")
    if type != ENTRIES_PURGED or not (_is_seq(first) and _is_seq(last)):
        return NOTHING
    return Removal(first=first, last=last)  # type: ignore[arg-type]


def is_named(removal: Removal, named: Iterable[Removal]) -> bool:
    """Whether these entries say all of what the removal takes (P5, P6)."""
    said = list(named)
    class_ids = {class_id for one in said for class_id in one.class_ids}
    month_keys = {key for one in said for key in one.month_keys}
    ranges = {(one.first, one.last) for one in said}
    return (
        class_ids.issuperset(removal.class_ids)
        and month_keys.issuperset(removal.month_keys)
        and (_has_no_entries(removal) or (removal.first, removal.last) in ranges)
    )


def find_unlawful(removal: Removal, log: str, month: str, signed_size: int) -> str | None:
    """Why this log does not let the removal go in `month` (`YYYY-MM`), with its newest checkpoint
    over `signed_size` entries; None when it may."""
    for key in removal.month_keys:
        if not key.startswith(log + "/"):
            return f"month key {key} is of another log"
        if month_of_key(key) >= month:
            return f"month key {key} is still in use: a month is purged when it is over"
    if _has_no_entries(removal):
        return None
    first, last = removal.first, removal.last
    if not 0 <= first <= last or first % TILE_WIDTH or (last + 1) % TILE_WIDTH:
        return f"entries {first} to {last} are not whole tiles of {TILE_WIDTH}"
    if last + 1 >= signed_size:
        return f"entries {first} to {last} do not lie below the newest checkpoint ({signed_size})"
    return None


def month_of_key(key: str) -> str:
    """The month (`YYYY-MM`) of a month key's id."""
    return key.rpartition("/")[2]


@dataclass(slots=True)
class LawfulLosses:
    """All that the log says has left it lawfully. Whether its entries hold is the verifier's."""

    class_ids: set[str] = field(default_factory=set)
    month_keys: set[str] = field(default_factory=set)
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def add(self, removal: Removal) -> None:
        """Take what one more entry says."""
        self.class_ids.update(removal.class_ids)
        self.month_keys.update(removal.month_keys)
        if not _has_no_entries(removal):
            self.ranges.append((removal.first, removal.last))

    def is_purged(self, seq: int) -> bool:
        """Whether the row of this entry has left."""
        return any(first <= seq <= last for first, last in self.ranges)

    def ranges_in(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """What has left of first..stop-1, as (start, stop) in order, without overlap."""
        for start, last in sorted(self.ranges):
            start, end = max(start, first), min(last + 1, stop)
            if start < end:
                yield start, end
            first = max(first, end)

    def find(self, class_id: str, month_key: str | None) -> Lost | None:
        """How the payload of a class has left, with the month key that it lies under if that is
        known; None where nothing says that it has."""
        if class_id in self.class_ids:
            return Lost.ERASED
        return Lost.PURGED if month_key in self.month_keys else None


def _has_no_entries(removal: Removal) -> bool:
    return removal.first == removal.last == _NO_SEQ


def _texts(value: Value) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def _is_seq(value: Value) -> bool:
    return type(value) is int and value >= 0
