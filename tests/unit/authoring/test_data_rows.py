"""Rows of data with the places where people wrote them."""

import re
from datetime import date

import pytest

from gateway.authoring.data_rows import read_table
from gateway.errors import BundleError
from tests.unit.authoring.small_bundle import small_files

TABLE = read_table(small_files())


def test_rows_stand_at_the_line_where_they_begin() -> None:
    assert {(row.id, row.list, row.at) for row in TABLE.rows} == {
        ("base-critical", "baseline.critical", "data/baseline/data.yaml:2"),
        ("part", "baseline.critical.parts", "data/baseline/data.yaml:9"),
        ("baseline.note", "baseline.note", "data/baseline/data.yaml:11"),
        ("gdpr-thirty", "gdpr.deletion", "data/gdpr/data.yaml:2"),
        ("pci-payments", "pci.never_filter", "data/pci/data.yaml:3"),
        ("engine", "trading.services", "data/trading/data.yaml:2"),
    }


def test_controls_stand_apart_from_rows() -> None:
    assert [control.id for control in TABLE.controls] == [
        "PCI/1",
        "BASE/score",
        "BASE/hours",
        "GDPR/1",
    ]
    control = TABLE.controls[1]
    assert (control.title, control.framework, control.owner) == ("Critical scores", "Base", "base")
    assert (control.review_due, control.at) == (date(2026, 11, 24), "data/controls/data.yaml:3")


def test_a_row_within_a_row_has_its_control_owner_and_date() -> None:
    part = TABLE.find("BASE/score", "part")
    assert part is not None
    assert (part.control, part.owner, part.review_due) == ("BASE/score", "base", date(2025, 1, 1))
    assert part.pattern == "regex ^p$"


def test_a_row_beside_a_row_inherits_nothing() -> None:
    note = TABLE.find("BASE/score", "baseline.note")
    assert note is not None
    assert (note.owner, note.review_due, note.pattern) == ("", None, "")


def test_of_two_rows_with_one_id_the_control_decides() -> None:
    files = small_files()
    files["data/sox/data.yaml"] = b'never_filter:\n  - {id: engine, regex: "^x", control: SOX/1}\n'
    table = read_table(files)
    for control in ("SOX/1", "BASE/hours"):
        found = table.find(control, "engine")
        assert found is not None
        assert found.control == control
    assert table.find("SOX/1", "nowhere") is None


def test_what_has_a_date_of_review_is_a_customisation() -> None:
    text = b"owner: o\nreview_due: '2027-01-01'\nsites:\n  - {id: hall-3}\n  - {name: x}\n"
    rows = read_table({"data/regions/data.yaml": text}).rows
    assert [(row.id, row.list, row.owner) for row in rows] == [
        ("regions", "regions", "o"),
        ("hall-3", "regions.sites", "o"),
    ]


def test_the_head_of_a_family_is_found() -> None:
    files = {"data/law/data.yaml": b"family: {title: Law, review_due: '2027-01-01'}\nrows: []\n"}
    head = read_table(files).family("law")
    assert head is not None
    assert head.value["title"] == "Law"
    assert read_table(files).family("other") is None


def test_json_data_has_places_too() -> None:
    files = {"data/x/data.json": b'{\n\t"rows": [\n\t\t{"id": "a", "control": "C"}\n\t]\n}'}
    assert [row.at for row in read_table(files).rows] == ["data/x/data.json:3"]


def test_a_date_that_is_none_is_refused_with_its_place() -> None:
    files = {"data/x/data.yaml": b"rows:\n  - id: a\n    review_due: soon\n"}
    with pytest.raises(BundleError, match=re.escape("data/x/data.yaml:2:5: review_due is no date")):
        read_table(files)
