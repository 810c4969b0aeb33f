"""Mutants of bundle data widen, narrow, drop and count."""

import json
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.tables import mutate_table

TABLE = """# A comment.
never_filter:
  - id: one
    regex: "^a-(b|c)"
    control: X/1
    reason: because
    owner: somebody
  - id: two
    glob: "d-*"
retain_days: {at_least: 30}
"""


@pytest.fixture
def made(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "data" / "pci").mkdir(parents=True)
    (tmp_path / "data" / "pci" / "data.yaml").write_text(TABLE)
    return mutate_table(tmp_path, "data/pci/data.yaml")


def test_each_operator_finds_its_places(made: list[Mutant]) -> None:
    assert [(mutant.operator, mutant.line, mutant.edit) for mutant in made] == [
        ("drop row", 3, "one → (nothing)"),
        ("pattern", 4, "^a-(b|c) → a-(b|c)"),
        ("pattern", 4, "^a-(b|c) → ^a-(b|c)$"),
        ("pattern", 4, "^a-(b|c) → ^a-(c)"),
        ("pattern", 4, "^a-(b|c) → ^a-(b)"),
        ("constant", 5, "X/1 → X/1-mutant"),
        ("drop row", 8, "two → (nothing)"),
        ("pattern", 9, "d-* → *d-*"),
        ("pattern", 9, "d-* → d-"),
        ("number", 10, "30 → 31"),
        ("number", 10, "30 → 29"),
    ]
    assert made[1].place == "never_filter.one.regex"


def test_a_mutant_changes_one_value(made: list[Mutant]) -> None:
    changed = json.loads(made[1].content)
    assert changed["never_filter"][0]["regex"] == "a-(b|c)"
    assert changed["never_filter"][0]["owner"] == "somebody"
    assert changed["retain_days"] == {"at_least": 30}
    assert [row["id"] for row in json.loads(made[0].content)["never_filter"]] == ["two"]


def test_tables_that_no_policy_reads_have_none(tmp_path: Path) -> None:
    assert mutate_table(tmp_path, "data/windows/data.yaml") == []


def test_what_no_law_names_and_nobody_relies_on_decides_nothing(tmp_path: Path) -> None:
    for name, text in {
        "regions": "places: {ireland: [eu, ie]}\n",
        "adequacy": "decisions:\n  - {id: ch, jurisdiction: ch, relied_on: false}\n",
        "gdpr": "family: {applies_to: {jurisdictions: [eu]}}\n",
    }.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "data.yaml").write_text(text)
    regions = mutate_table(tmp_path, "data/regions/data.yaml")
    assert [mutant.edit for mutant in regions] == ["eu → (nothing)"]
    adequacy = mutate_table(tmp_path, "data/adequacy/data.yaml")
    assert [mutant.edit for mutant in adequacy] == ["False → True"]
