"""Periods of one family that cannot both be met."""

import pytest

from gateway.authoring.retention import check_retention
from gateway.authoring.rows import find_rows
from tests.unit.authoring.planted import document


def check(*texts: str) -> list[str]:
    documents = [document(text, f"data/f{at}/data.yaml") for at, text in enumerate(texts)]
    return [f"{one.place}" for one in check_retention(find_rows(documents))]


def rows(*rows: str) -> str:
    return "retention:\n" + "".join(f"  - {{id: r{at}, {row}}}\n" for at, row in enumerate(rows))


LONG, SHORT = "retain_days: {at_least: 31}", "retain_days: {at_most: 30}"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (rows("retain_days: {at_least: 31, at_most: 30}"), ["2:27"]),
        (rows("retain_days: {at_least: 30, at_most: 30}"), []),
        (rows("retain_days: {at_least: 30, at_hand: 31}"), ["2:27"]),
        (rows("retain_days: {at_hand: 31}"), []),
        (rows(LONG, SHORT), ["3:27"]),
        (rows(SHORT, LONG), ["3:27"]),
        (rows("retain_days: {at_least: 30}", SHORT), []),
        (rows(LONG, SHORT + ", applies_to: {regions: [a]}"), ["3:27"]),
        (rows(LONG + ", applies_to: {regions: [b]}", SHORT + ", applies_to: {regions: [a]}"), []),
        (
            rows(LONG + ", applies_to: {regions: [a, b]}", SHORT + ", applies_to: {regions: [a]}"),
            ["3:27"],
        ),
        (
            rows(
                LONG + ", applies_to: {jurisdictions: [eea]}",
                SHORT + ", applies_to: {regions: [a]}",
            ),
            [],
        ),
        ("retention: {id: r, retain_days: {at_least: 31, at_most: 30}}", ["1:33"]),
        (rows("retain_days: {at_least: '31', at_most: 30}"), []),  # the schema's business
    ],
)
def test_periods_within_a_family(text: str, places: list[str]) -> None:
    assert check(text) == [f"data/f0/data.yaml:{place}" for place in places]


def test_the_periods_of_two_families_are_merged_and_do_not_conflict() -> None:
    assert check(rows(LONG), rows(SHORT)) == []
