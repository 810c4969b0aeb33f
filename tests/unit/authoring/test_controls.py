"""One id is one control, known where it is named; rows are reviewed in time."""

from datetime import date

import pytest

from gateway.authoring.controls import (
    check_control_ids,
    check_control_names,
    check_families,
    check_reviews,
    check_row_ids,
)
from gateway.authoring.finding import Place
from gateway.authoring.metadata import ControlClaim, ListClaim
from gateway.authoring.rows import Row, find_rows
from tests.unit.authoring.planted import TODAY, document


def rows(**texts: str) -> list[Row]:
    """Rows of the tables data/<name>/data.yaml."""
    return find_rows([document(text, f"data/{name}/data.yaml") for name, text in texts.items()])


def test_a_control_listed_twice_is_refused_with_both_places() -> None:
    control = "{id: PCI/1, title: A, framework: P}"
    (finding,) = check_control_ids(
        rows(pci=f"controls:\n  - {control}", sox=f"controls:\n\n  - {control}")
    )
    assert finding.rule == "control-duplicate"
    assert finding.message == (
        "control PCI/1 is listed at data/sox/data.yaml:3:10 and at data/pci/data.yaml:2:10"
    )
    assert finding.place == Place("data/sox/data.yaml", 3, 10)
    assert finding.related == (Place("data/pci/data.yaml", 2, 10),)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ("{id: PCI/1, title: B, framework: P}", "title differs"),
        ("{id: PCI/1, title: A, framework: Q}", "framework differs"),
        ("{id: PCI/1, title: A, framework: P, family: q}", "family differs"),
        ("{id: pci-1, title: A, framework: P}", "read alike"),
    ],
)
def test_a_control_of_two_meanings_is_refused_with_both_places(other: str, text: str) -> None:
    (finding,) = check_control_ids(
        rows(pci="controls: [{id: PCI/1, title: A, framework: P}]", sox=f"controls: [{other}]")
    )
    assert (finding.rule, finding.related) == (
        "control-conflict",
        (Place("data/pci/data.yaml", 1, 17),),
    )
    assert finding.place == Place("data/sox/data.yaml", 1, 17)
    assert text in finding.message
    assert "data/pci/data.yaml:1:17" in finding.message


def test_controls_of_other_ids_do_not_conflict() -> None:
    text = "controls: [{id: PCI/10.2.1, title: A}, {id: PCI/10.2.1.1, title: A}, {id: PCI/10.21}]"
    assert check_control_ids(rows(pci=text)) == []


FAMILY = """\
family: {title: N}
controls: [{id: N/1}, {id: N/2}]
services: [{id: a, control: N/1}]
other: [{id: b, control: N/2}]
"""


def test_controls_of_families_are_claimed_by_their_lists() -> None:
    claims = [ControlClaim("N/9", Place("r.rego", 5, 3))]
    findings = check_control_names(rows(n=FAMILY), claims, [ListClaim("services", Place("r"))])
    assert [(one.rule, str(one.place)) for one in findings] == [
        ("control-unknown", "r.rego:5:3"),
        ("row-unclaimed", "data/n/data.yaml:4:26"),
    ]
    both = [ListClaim("services", Place("r")), ListClaim("other", Place("r"))]
    assert check_control_names(rows(n=FAMILY), [], both) == []


def test_a_family_keeps_to_itself() -> None:
    family = "family: {}\ncontrols: [{id: N/1, family: n}]\nservices: [{id: a, control: N/1}]"
    assert check_families(rows(n=family)) == []
    other = """\
family: {}
controls: [{id: M/1, family: n}]
services: [{id: b, control: N/1}, {id: c, control: M/1}, {id: d, control: unknown}]
"""
    found = [(one.line, one.column, one.mend) for one in check_families(rows(n=family, m=other))]
    assert found == [(2, 30, "write family: m"), (3, 29, "name one of this file")]


def test_a_control_that_nobody_names_is_told() -> None:
    listed = rows(x="controls: [{id: X/1}, {id: X/2}, {id: X/3}]\nreason: {control: X/2}")
    (finding,) = check_control_names(listed, [ControlClaim("X/1", Place("r"))], [])
    assert (finding.rule, finding.message) == (
        "control-unclaimed",
        "no rule and no row names control X/3",
    )


def test_ids_of_rows_are_unique_over_files_and_controls_are_no_rows() -> None:
    text = "controls: [{id: a}]\nservices: [{id: a, control: X}]"
    assert check_row_ids(rows(x=text, z="retain: [{id: b, control: Y}, {id: a}]")) == []
    (finding,) = check_row_ids(rows(x=text, y="retain: [{id: b, control: Y}, {id: a, control: Y}]"))
    assert finding.message == "the id a stands at data/x/data.yaml:2:17 too"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('x: [{id: a, owner: t, review_due: "2026-11-25"}]', []),
        ('x: [{id: a, owner: t, review_due: "2026-11-24"}]', ["review-overdue"]),
        ("x: [{id: a, owner: t, review_due: soon}]", ["review-due"]),
        ("x: [{id: a, owner: t, review_due: 20261125}]", ["review-due"]),
        ('x: [{id: a, owner: " ", review_due: "2027-01-01"}]', ["owner"]),
        ("x: [{regex: a}]", ["owner", "review-due"]),
        ('x: {owner: t, review_due: "2027-01-01", rows: [{id: a, regex: b}]}', []),
        ("x: {control: A, message: no row but a reason}", []),
        # heads of families and tables
        ('family: {title: t, owner: t, review_due: "2026-11-24"}', ["review-overdue"]),
        ('family: {owner: " ", review_due: "2027-02-31"}', ["owner", "review-due"]),
        ('owner: t\nreview_due: "2026-11-24"\nregions: {a: b}', ["review-overdue"]),
        ("owner: t\nregions: {a: b}", []),
        ("windows: [{name: w}]", []),
    ],
)
def test_owners_and_dates(text: str, found: list[str]) -> None:
    assert [one.rule for one in check_reviews(rows(x=text), TODAY)] == found


def test_an_overdue_review_says_since_when() -> None:
    listed = rows(x='x: [{id: a, owner: t, review_due: "2026-11-24"}]')
    (finding,) = check_reviews(listed, date(2026, 11, 25))
    assert finding.message == "the review of row a was due 1 day ago, on 2026-11-24"
    assert finding.level == "warning"
