"""Protected services that are expected and no longer seen: a pattern that protects nothing protects
nobody, and a service that was renamed has lost its protection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.decisions.floor import FloorRow, RowSource, names_of, parse_rows, rows_of
from gateway.impact.report import Unseen
from gateway.recorded.reading import RecordedClass
from gateway.wire.patterns import PatternSet

EXPECTED = "expected"
SEALED_CONTROL = "FLOOR"  # what reasons say in place of a sealed row's own


class ProtectingBundle(RowSource, Protocol):
    """A bundle, as far as it protects by rows; `data` is the tree below Rego's `data`."""

    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class WatchedRow:
    """A protected row. `is_expected`: what it says of itself, None where it says nothing: then it
    is expected once something matched it."""

    row: FloorRow
    is_expected: bool | None

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def control(self) -> str:
        """The control that may be shown."""
        return SEALED_CONTROL if self.row.salt else self.row.control


def expected_unseen(
    bundle: ProtectingBundle,
    recorded: Iterable[RecordedClass],
    earlier: Iterable[RecordedClass] = (),
) -> tuple[Unseen, ...]:
    """The bundle's `never_filter` rows, the sealed ones too if they are opened, and the `services`
    of its families, that nothing recorded matches although the row says `expected: true`, or
    something of an earlier time matched it and the row does not say `expected: false`; sorted by
    row. Raises BundleError for a row that is none."""
    return _unseen(watched_rows(bundle), recorded, earlier)


def rows_unseen(
    rows: Sequence[Mapping[str, Any]],
    recorded: Iterable[RecordedClass],
    earlier: Iterable[RecordedClass] = (),
) -> tuple[Unseen, ...]:
    """As `expected_unseen`, for these rows."""
    parsed = parse_rows(rows, "never_filter rows of the bundle")
    return _unseen(_watched(parsed, rows), recorded, earlier)


def watched_rows(bundle: ProtectingBundle) -> tuple[WatchedRow, ...]:
    """The rows that a bundle protects services by; raises BundleError for a row that is none."""
    services = list(_services(bundle.data))
    sealed = [] if bundle.sealed is None else [one.row for one in bundle.sealed.rows]
    rows = rows_of(bundle) + parse_rows(services, "services of the bundle's families")
    return _watched(rows, [*bundle.never_filter, *sealed, *services])


def names_seen(recorded: Iterable[RecordedClass]) -> dict[str, str]:
    """By name of a process, the last day (`YYYY-MM-DD`) on which it was seen."""
    days: dict[str, str] = {}
    for item in recorded:
        for name in names_of(dict(item.process_class.attributes)):
            days[name] = max(days.get(name, ""), item.last_day)
    return days


def rows_seen(rows: Sequence[WatchedRow], names: Mapping[str, str]) -> dict[str, str]:
    """By row id, the last day on which a process of a matching name was seen; `names` is as from
    `names_seen`."""
    days: dict[str, str] = {}
    if not rows:
        return days
    patterns = PatternSet([watched.row.pattern for watched in rows])
    for name, day in names.items():
        for position in patterns.matches_any_case(name):
            row = rows[position].id
            days[row] = max(days.get(row, ""), day)
    return days


def unseen_of(
    rows: Sequence[WatchedRow], seen: Mapping[str, str], before: Mapping[str, str]
) -> tuple[Unseen, ...]:
    """The alarms; `seen` and `before` are as from `rows_seen`."""
    found = {
        watched.id: Unseen(watched.id, watched.control, before.get(watched.id, ""))
        for watched in rows
        if watched.id not in seen
        and (watched.is_expected or (watched.is_expected is None and watched.id in before))
    }
    return tuple(found[id] for id in sorted(found))


def _unseen(
    rows: Sequence[WatchedRow], recorded: Iterable[RecordedClass], earlier: Iterable[RecordedClass]
) -> tuple[Unseen, ...]:
    before = rows_seen(rows, names_seen(earlier))
    return unseen_of(rows, rows_seen(rows, names_seen(recorded)), before)


def _watched(
    parsed: Sequence[FloorRow], rows: Sequence[Mapping[str, Any]]
) -> tuple[WatchedRow, ...]:
    """A word that is no boolean counts as none: schemas refuse it, sealed rows have no schema."""
    said = {str(row.get("id")): row.get(EXPECTED) for row in rows}
    found = ((row, said.get(row.id)) for row in parsed)
    return tuple(WatchedRow(row, word if isinstance(word, bool) else None) for row, word in found)


def _services(tree: Mapping[str, Any]) -> Iterator[Any]:
    """The rows of the lists `services` of all families (docs/policies.md)."""
    tables = tree.get("data")
    for table in tables.values() if isinstance(tables, Mapping) else ():
        is_family = isinstance(table, Mapping) and isinstance(table.get("family"), Mapping)
        rows = table.get("services") if is_family else None
        yield from rows if isinstance(rows, list) else ()
