"""How binding the rules of a bundle are: what an exception may be from."""

from pathlib import Path
from typing import Any

import pytest

from gateway.bundles.folder import parse_bundle, read_bundle
from gateway.changes.rule_levels import rule_levels
from tests.fakes.bundles import bundle_files

POLICIES = Path(__file__).parents[3] / "policies"

RULE = """\
# METADATA
# title: A rule
# custom:
#   {head}
#   level: {level}
package main.rule

findings := set()
"""


def levels(rego: str = "", data: str = "") -> Any:
    files = bundle_files()
    files["main/rule.rego"] = rego.encode()
    files["data/data.yaml"] += data.encode()
    return rule_levels(parse_bundle(files))


@pytest.mark.parametrize("level", ["hard", "soft", "advisory"])
def test_a_rule_and_its_controls_have_the_level_of_its_metadata(level: str) -> None:
    found = levels(RULE.format(head="controls: [A/1, A/2]", level=level))
    assert [found[name] for name in ("main.rule", "A/1", "A/2")] == [level] * 3


def test_rows_that_are_never_filtered_are_hard() -> None:
    assert levels()["PCI-DSS-4.0.1/10.2.1"] == "hard"


def test_services_have_the_level_of_their_family() -> None:
    rule = RULE.format(head="controls_of: [services]", level="hard")
    row = "    - {id: s, glob: x, control: %s}\n"
    data = (
        "soft_law:\n  family: {level: soft}\n  services:\n" + row % "SOFT/1"
        + "plain:\n  services:\n" + row % "PLAIN/1"
    )  # fmt: skip
    found = levels(rule, data)
    assert (found["SOFT/1"], found["PLAIN/1"]) == ("soft", "hard")
    assert found["main.rule"] == "soft"  # lifts what is soft of it, and never the rest


def test_a_control_that_is_hard_and_soft_can_be_excepted_as_far_as_it_is_soft() -> None:
    found = levels(RULE.format(head='controls: ["PCI-DSS-4.0.1/10.2.1"]', level="soft"))
    assert found["PCI-DSS-4.0.1/10.2.1"] == "soft"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "package main.rule\n",
        "# METADATA\n# custom: [\npackage main.rule\n",
        "# METADATA\n# a\n",
    ],
)
def test_what_says_no_level_has_none(text: str) -> None:
    assert "main.rule" not in levels(text)


def test_the_policies_have_soft_rules_and_no_family_is_soft_unseen() -> None:
    found = rule_levels(read_bundle(POLICIES))
    assert found["rules.baseline.trading_hours"] == "soft"
    assert found["BASELINE/trading-hours"] == "soft"
    assert found["rules.families.never_filter"] == "hard"
    assert found["rules.baseline.importance"] == "advisory"
