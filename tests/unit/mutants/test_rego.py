"""Mutants of Rego stand where the syntax says, and change only that."""

import subprocess
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.rego import mutate_module
from tests.unit.policies.bundle import OPA

pytestmark = pytest.mark.opa

MODULE = """# METADATA
# custom:
#   controls:
#     - X/1
#   level: soft
package p

default limit := 5

limit := 7 if input.tier == "edge"

answer := "permit" if {
	not input.x in {1, 2}
	input.y >= 3 # a comment with >= 3
} else := "protect"

least := max({value | some value in input.values; value != "sample"} | {0})

merged := object.union(input.a, {"b": 1})

head("drop", 0)
"""


@pytest.fixture
def made(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "p.rego").write_text(MODULE)
    return mutate_module(OPA, tmp_path, "p.rego")


def edits(made: list[Mutant], operator: str) -> list[str]:
    return [mutant.edit for mutant in made if mutant.operator == operator]


def test_each_operator_finds_its_places(made: list[Mutant]) -> None:
    assert edits(made, "compare") == ["== → !=", ">= → >", ">= → <", "!= → =="]
    assert edits(made, "negate") == [
        'input.tier == "edge" → not input.tier == "edge"',
        "not input.x in {1, 2} → input.x in {1, 2}",
        "input.y >= 3 → not input.y >= 3",
        'value != "sample" → not value != "sample"',
    ]
    assert edits(made, "drop condition")[1] == "not input.x in {1, 2} → true"
    assert edits(made, "call") == ["max → min", "| → &"]
    assert edits(made, "level") == ["soft → advisory"]
    assert edits(made, "drop default") == ["default limit := 5 → (nothing)"]
    assert edits(made, "drop else") == ['else := "protect" → (nothing)']
    assert 'head("drop", 0) → (nothing)' in edits(made, "drop rule")
    assert '"permit" → "protect"' in edits(made, "word")
    assert "input.tier → input.tier_mutant" in edits(made, "undefine")
    assert [edit for edit in edits(made, "number") if edit.startswith("7")] == ["7 → 8", "7 → 6"]
    swapped = 'input.a, {"b": 1} → {"b": 1}, input.a'
    assert edits(made, "swap arguments") == [swapped]


def test_an_element_goes_with_its_comma(made: list[Mutant]) -> None:
    texts = [mutant.content.decode() for mutant in made if mutant.operator == "drop element"]
    assert any("input.x in {2}" in text for text in texts)
    assert any("input.x in {1}" in text for text in texts)
    assert any('"sample"} | set())' in text for text in texts)


def test_comments_are_left_alone(made: list[Mutant]) -> None:
    for mutant in made:
        if mutant.operator not in ("drop else", "drop rule"):
            assert b"# a comment with >= 3" in mutant.content, mutant


def test_mutants_are_distinct_and_named_apart(made: list[Mutant]) -> None:
    assert len({mutant.content for mutant in made}) == len(made)
    assert len({mutant.identity for mutant in made}) == len(made)
    assert MODULE.encode() not in {mutant.content for mutant in made}


def test_most_mutants_compile(made: list[Mutant], tmp_path: Path) -> None:
    compiling = 0
    for mutant in made:
        (tmp_path / "p.rego").write_bytes(mutant.content)
        command = [str(OPA), "check", str(tmp_path)]
        compiling += subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert compiling > 0.9 * len(made)


def test_what_does_not_parse_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.rego").write_text("package p\nx := \n")
    with pytest.raises(ValueError, match=r"p\.rego cannot be parsed"):
        mutate_module(OPA, tmp_path, "p.rego")
