from typing import Any

import pytest

from gateway.decisions.verdict import fail_safe, settle
from gateway.engine.port import RuleVerdict
from gateway.wire.classes import ProcessClass, project
from gateway.wire.verdicts import Reason
from tests.fakes.decisions import DECLARATION, SENDER

FLOOR = Reason("FLOOR", "floor.x", "hard", "protected")
RULE = Reason("PCI", "rules.pci", "soft", "rule")


def class_of(action: Any, rate: float | None = None) -> ProcessClass:
    return project(DECLARATION, SENDER, {"service.name": "s"}, action, rate)


@pytest.mark.parametrize(
    ("proposed", "rules", "expected"),
    [
        (("drop", None), ("drop", 0), ("drop", 0, "permitted")),
        (("drop", None), ("sample", 100), ("sample", 100, "overridden")),
        (("sample", 0.3), ("sample", 100), ("sample", 300, "permitted")),
        (("sample", 0.1), ("sample", 300), ("sample", 300, "overridden")),
        (("sample", 0.1), ("drop", 0), ("sample", 100, "permitted")),
        (("sample", 0.1), ("keep", 1000), ("keep", 1000, "overridden")),
        (("keep", None), ("drop", 0), ("keep", 1000, "permitted")),
        (("drop", None), ("sample", 1000), ("keep", 1000, "overridden")),
        (("drop", None), ("keep", 0), ("keep", 1000, "overridden")),
        (("sample", 0.99999), ("drop", 0), ("keep", 1000, "overridden")),
        (("sample", 1e-9), ("drop", 0), ("sample", 1, "permitted")),
    ],
)
def test_the_more_protective_wins(proposed: Any, rules: Any, expected: Any) -> None:
    found = settle(class_of(*proposed), RuleVerdict("protect", *rules), None)
    assert (found.action, found.sample_permille, found.effect) == expected


def test_the_floor_keeps_whatever_the_rules_say_and_comes_first() -> None:
    found = settle(class_of("drop"), RuleVerdict("permit", "drop", 0, (RULE,)), FLOOR)
    assert (found.action, found.effect) == ("keep", "overridden")
    assert found.reasons == (FLOOR, RULE)
    assert settle(class_of("keep"), RuleVerdict("permit", "keep", 1000), FLOOR).effect == (
        "permitted"
    )


def test_no_sampling_keeps_even_if_the_action_says_otherwise() -> None:
    rules = RuleVerdict("protect", "sample", 500, (), ({"type": "no_sampling"},))
    assert settle(class_of("drop"), rules, None).action == "keep"


def test_a_fail_safe_verdict_keeps_without_time() -> None:
    found = fail_safe("timeout", "m")
    assert (found.action, found.sample_permille, found.effect) == ("keep", 1000, "fail_safe")
    assert found.ttl_seconds == 0
