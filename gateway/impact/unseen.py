"""Protected services that are expected and no longer seen: a pattern that protects nothing protects
nobody, and a service that was renamed has lost its protection."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.decisions.floor import FloorRow, names_of, parse_rows
from gateway.impact.report import Unseen
from gateway.recorded.bundles import StoredBundle
from gateway.recorded.reading import RecordedClass
from gateway.wire.patterns import PatternSet

EXPECTED = "expected"


def expected_unseen(
    bundle: StoredBundle, recorded: Iterable[RecordedClass], earlier: Iterable[RecordedClass] = ()
) -> tuple[Unseen, ...]:
    """The bundle's `never_filter` rows that nothing recorded matches although the row says
    `expected: true`, or something of an earlier time matched it; sorted by row. Raises BundleError
    for a row that is none."""
    return rows_unseen(bundle.never_filter, recorded, earlier)


def rows_unseen(
    rows: Sequence[Mapping[str, Any]],
    recorded: Iterable[RecordedClass],
    earlier: Iterable[RecordedClass] = (),
) -> tuple[Unseen, ...]:
    """As `expected_unseen`, for these rows."""
    parsed = parse_rows(rows, "never_filter rows of the bundle")
    expected = {str(row.get("id")) for row in rows if row.get(EXPECTED) is True}
    seen = _last_days(parsed, recorded)
    before = _last_days(parsed, earlier)
    return tuple(
        Unseen(row.id, row.control, before.get(row.id, ""))
        for row in parsed
        if row.id not in seen and (row.id in expected or row.id in before)
    )


def _last_days(rows: Sequence[FloorRow], recorded: Iterable[RecordedClass]) -> dict[str, str]:
    """By row id, the last day on which a process of a matching name was seen."""
    last_days: dict[str, str] = {}
    if not rows:
        return last_days
    patterns = PatternSet([row.pattern for row in rows])
    by_name: dict[str, str] = {}
    for item in recorded:
        for name in names_of(dict(item.process_class.attributes)):
            by_name[name] = max(by_name.get(name, ""), item.last_day)
    for name, day in by_name.items():
        for position in patterns.matches_any_case(name):
            row = rows[position].id
            last_days[row] = max(last_days.get(row, ""), day)
    return last_days
