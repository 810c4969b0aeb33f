"""Only the expected verdicts agree, whatever else an engine answers."""

from typing import Any

import pytest

from tests.golden.agreement import agree, disagreements

HARD = {"level": "hard", "control": "B", "rule": "r", "message": "m", "remediation": "x"}
SOFT = HARD | {"level": "soft", "control": "A"}
VERDICT: dict[str, Any] = {
    "ref": "0",
    "decision": "protect",
    "action": "keep",
    "sample_permille": 1000,
    "ttl_seconds": 300,
    "reasons": [HARD, SOFT],
    "obligations": [],
}
QUESTION = {"subject": {}, "context": {}, "proposals": [{"ref": "0"}]}


def test_order_inside_a_level_is_free_and_of_levels_is_not() -> None:
    other = HARD | {"control": "C"}
    one, two = VERDICT | {"reasons": [HARD, other]}, VERDICT | {"reasons": [other, HARD]}
    assert agree([[one]], [[two]])
    assert not agree([[VERDICT]], [[VERDICT | {"reasons": [SOFT, HARD]}]])
    assert len(disagreements([QUESTION], [[VERDICT]], [[VERDICT | {"reasons": [SOFT, HARD]}]])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"action": "drop"},
        {"ttl_seconds": 301},
        {"obligations": [{"type": "encrypt"}]},
        {"reasons": [HARD]},
        {"reasons": [HARD | {"level": "no such level"}, SOFT]},
        {"reasons": None},
        {"extra": 1},
    ],
)
def test_anything_else_disagrees(change: dict[str, Any]) -> None:
    assert agree([[VERDICT]], [[VERDICT]])
    assert not agree([[VERDICT]], [[VERDICT | change]])


def test_a_verdict_that_lacks_its_reasons_disagrees() -> None:
    short = {name: value for name, value in VERDICT.items() if name != "reasons"}
    assert not agree([[VERDICT]], [[short]])
    assert not agree([[VERDICT]], [[]])
    assert not agree([[VERDICT]], [])
    assert not agree([[VERDICT]], [[VERDICT, VERDICT]])
