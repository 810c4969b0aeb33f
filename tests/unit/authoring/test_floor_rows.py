"""Rows of never_filter that would not join the floor are told."""

import pytest

from gateway.authoring.floor_rows import check_floor_rows
from gateway.authoring.rows import find_rows
from tests.unit.authoring.planted import document


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("data/pci/data.yaml", "never_filter: [{id: a, glob: b}]", []),
        ("data/data.yaml", "pci: {never_filter: [{id: a, glob: b}]}", []),
        ("data/pci/data.yaml", "services: {never: [{id: a, glob: b}]}", []),
        ("data/pci/cards/data.yaml", "never_filter: [{id: a, glob: b}]", ["1:16"]),
        ("data/pci/data.yaml", "cards:\n  never_filter:\n    - {id: a, glob: b}", ["3:7"]),
        ("data/data.yaml", "never_filter: [{id: a, glob: b}]", ["1:16"]),
        ("data/pci/data.yaml", "never_filter: [{glob: b}]", ["1:16"]),
        (
            "data/pci/data.yaml",
            f"never_filter: [{{id: a, glob: b, reason: {'x' * 1025}}}]",
            ["1:16"],
        ),
        ("data/pci/data.yaml", f"never_filter: [{{id: {'a' * 257}, glob: b}}]", ["1:16"]),
        ("data/pci/data.yaml", "never_filter: [{id: a, glob: '['}]", []),  # a lint of patterns
    ],
)
def test_rows_that_the_floor_would_not_take(file: str, text: str, found: list[str]) -> None:
    findings = check_floor_rows(find_rows([document(text, file)]))
    assert [f"{one.line}:{one.column}" for one in findings] == found
    assert {one.rule for one in findings} <= {"floor-row"}
