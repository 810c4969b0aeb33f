"""The oracle's own reading of patterns, beside RE2's."""

from typing import Any

import pytest
import re2

from tests.golden.cases import pattern_rows
from tests.golden.golden import Golden
from tests.golden.patterns import examples, matches_row, variants


def test_search_is_re2_s_over_every_pattern_and_name(golden: Golden) -> None:
    names = {
        value
        for question in golden.questions
        for proposal in question["proposals"]
        if isinstance(proposal, dict) and isinstance(proposal.get("process"), dict)
        for value in proposal["process"].values()
        if isinstance(value, str)
    }
    sample = [*sorted(names)[::7], "auditd\n", "java\n", "", "payment\ngateway-1"]
    regexes = sorted({row["regex"] for _, row in pattern_rows(golden.tables) if "regex" in row})
    assert len(regexes) > 50
    for regex in regexes:
        compiled = re2.compile(regex)
        for name in sample:
            found = compiled.search(name) is not None
            assert matches_row({"regex": regex}, name) is found, (regex, name)


@pytest.mark.parametrize(
    ("regex", "texts"),
    [
        ("^a-(b|c)", ["a-b", "a-c"]),
        ("^x(yz)?$", ["x", "xyz"]),
        ("^-?(sh|bash)(\\.exe)?$", ["sh", "-sh", "bash", "sh.exe"]),
        ("^py[0-9.]*$", ["py", "py.", "py0"]),
        ("^tokeni[sz]er", ["tokeniser", "tokenizer"]),
        ("a+|b", ["a", "b"]),
    ],
)
def test_examples_take_each_branch(regex: str, texts: list[str]) -> None:
    assert sorted(examples({"regex": regex})) == sorted(texts)


@pytest.mark.parametrize("regex", ["(?i)a", "a(?=b)", "\\bword", "(a)\\1", "a++", "\\pL"])
def test_what_python_and_re2_may_read_differently_is_refused(regex: str) -> None:
    with pytest.raises(ValueError, match="RE2 and Python may differ"):
        matches_row({"regex": regex}, "a")


@pytest.mark.parametrize(
    ("glob", "name", "found"),
    [
        ("pay-*", "pay-1.2/x", True),
        ("pay-*", "xpay-1", False),
        ("pay-?", "pay-", False),
        ("pay-[a-c]", "pay-b", True),
        ("pay-[!a-c]", "pay-b", False),
        ("pay.x", "payyx", False),
    ],
)
def test_glob_matches_the_whole_name(glob: str, name: str, found: bool) -> None:
    row: dict[str, Any] = {"glob": glob}
    assert matches_row(row, name) is found


def test_lower_case_is_one_character_for_one() -> None:
    assert variants("İX") == {"İX", "ix"}
    assert variants("\u0391\u03a3") == {"\u0391\u03a3", "\u03b1\u03c3"}
