"""Rows that people and other tools read: what each entry becomes, and which are chosen."""

import csv
import io
import json
from typing import Any

import pytest

from gateway.reading.csv_rows import write_csv
from gateway.reading.ocsf import write_ocsf
from gateway.reading.reading import find_classes, read_rows
from gateway.reading.rows import Row
from gateway.reading.selection import Selection
from gateway.transparency.entry import leaf_hash
from tests.fakes.read_logs import (
    CLASS_A,
    CLASS_B,
    EDGE_7,
    MINUTE_US,
    ORIGIN,
    START_US,
    ListSource,
)


def rows(selection: Selection | None = None, **options: Any) -> list[Row]:
    return list(read_rows(ListSource(), selection or Selection(), **options))


def places(selection: Selection, **options: Any) -> list[tuple[int, int]]:
    return [(row.seq, row.position) for row in rows(selection, **options)]


def test_a_decisions_row_repeats_the_verdict_that_it_cites() -> None:
    permitted = next(row for row in rows() if (row.seq, row.position) == (3, 1))
    assert (permitted.class_id, permitted.action, permitted.count) == (CLASS_B, "drop", 40)
    kept = next(row for row in rows() if (row.seq, row.position) == (3, 0))
    assert kept.controls == ("PCI-DSS-4.0.1/10.2.1",)
    failed = next(row for row in rows() if (row.seq, row.position) == (3, 2))
    assert (failed.effect, failed.detail, failed.count) == ("fail_safe", "timeout", 2)


def test_a_citation_of_no_verdict_says_so() -> None:
    last = rows()[-1]
    assert (last.seq, last.class_id) == (6, "")
    assert "not there" in last.detail


def test_an_unreadable_entry_is_a_row_of_its_own() -> None:
    source = ListSource()
    source.data[4] = b"{not an entry"
    found = [row for row in read_rows(source, Selection()) if row.seq == 4]
    assert [row.type for row in found] == ["unreadable"]
    assert found[0].located.leaf_hash == leaf_hash(b"{not an entry").hex()
    assert not [row for row in read_rows(source, Selection(types=("*",))) if row.seq == 4]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(types=("change.*",)), [(5, 0)]),
        (Selection(actor="alice"), [(5, 0)]),
        (Selection(collector="edge-*"), [(3, 0), (3, 1), (3, 2), (4, 0), (6, 0)]),
        (Selection(collector="alice"), []),
        (Selection(control="pci-dss"), [(2, 0), (3, 0)]),
        (Selection(since_us=START_US + 4 * MINUTE_US), [(4, 0), (5, 0), (6, 0)]),
        (Selection(until_us=START_US + MINUTE_US), [(0, 0)]),
    ],
)
def test_rows_are_chosen(selection: Selection, expected: list[tuple[int, int]]) -> None:
    assert places(selection) == expected


def test_rows_are_chosen_by_process_where_payloads_are_opened() -> None:
    names = {CLASS_A: "Payment-Gateway, java", CLASS_B: "log-shipper"}
    asked = Selection(process="payment-*")
    assert places(asked, name_class=names.__getitem__) == [(2, 0), (3, 0)]
    assert find_classes(ListSource(), asked) == {CLASS_A: 2, CLASS_B: 2}
    assert find_classes(ListSource(), asked, first=4) == {}
    assert places(asked) == []  # without the keys nothing says which process a class is


def test_a_range_of_entries() -> None:
    assert places(Selection(), first=4, last=5) == [(4, 0), (5, 0)]


def test_csv_has_the_place_and_the_fields_of_a_change_and_no_formulas() -> None:
    out = io.StringIO(newline="")
    written = write_csv(rows(), out)
    lines = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(lines) == written == 10
    staged = next(line for line in lines if line["type"] == "change.staged")
    assert staged["seq"] == "5"
    assert staged["leaf_hash"] == leaf_hash(ListSource().data[5]).hex()
    assert staged["justification"] == "'=2+2 refunds carry card data"
    assert staged["previous_value"] == "8-0a1b"


def events() -> list[dict[str, Any]]:
    out = io.StringIO()
    write_ocsf(rows(), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


# https://schema.ocsf.io 1.6.0: what each class requires beyond the base event.
REQUIRED = {
    2003: ("compliance", "finding_info"),
    3004: ("entity",),
    6002: ("app",),
    6003: ("actor", "api", "src_endpoint"),
}
BASE = ("activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid")


def test_each_ocsf_event_has_what_its_class_requires() -> None:
    for event in events():
        for name in (*BASE, *REQUIRED[event["class_uid"]]):
            assert event[name] not in (None, "", {}), (event["metadata"]["event_code"], name)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        assert event["metadata"]["version"] == "1.6.0"
        assert event["metadata"]["product"]["vendor_name"]


def test_an_ocsf_event_can_be_traced_to_its_entry() -> None:
    made = {event["metadata"]["uid"]: event for event in events()}
    event = made[f"{ORIGIN}/3/1"]
    assert event["metadata"]["sequence"] == 3
    assert event["unmapped"]["leaf_hash"] == leaf_hash(ListSource().data[3]).hex()
    assert event["actor"]["user"]["uid"] == EDGE_7
    assert event["time"] == (START_US + 3 * MINUTE_US) // 1000
    assert event["count"] == 40


def test_what_is_refused_is_a_failure() -> None:
    denied = next(one for one in events() if one["metadata"]["event_code"] == "denial")
    assert denied["status_id"] == 2
    assert denied["api"]["operation"] == "GET /metrics"
