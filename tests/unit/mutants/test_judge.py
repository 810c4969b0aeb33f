"""A mutant is killed by what notices it, and leaves the policies as they were."""

from pathlib import Path

import pytest

from tests.mutants.judge import Judge
from tests.mutants.mutant import Mutant
from tests.mutants.run import Plan, Progress, UnsoundError, judge_mutants, make_mutants
from tests.unit.policies.bundle import OPA

pytestmark = pytest.mark.opa

RULE = "package rules.a.b\n\nfindings := input.x > 3\n"
TEST = """package rules.a.b_test

import data.rules.a.b

test_it if b.findings with input as {"x": 5}
"""
OTHER = """package main.main_test

import data.rules.a.b

test_it_too if not b.findings with input as {"x": 3}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    root = tmp_path / "policies"
    for name, text in {
        "rules/a/b/rule.rego": RULE,
        "rules/a/b/rule_test.rego": TEST,
        "main/main_test.rego": OTHER,
        "data/pci/data.yaml": "days: 30\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def mutant(before: str, after: str) -> Mutant:
    content = RULE.replace(before, after).encode()
    return Mutant("rules/a/b/rule.rego", 3, "findings", "number", f"{before} → {after}", content)


@pytest.mark.parametrize(
    ("before", "after", "state", "stage"),
    [
        ("3", "5", "killed", "own tests"),
        ("3", "2", "killed", "all tests"),
        ("3", "4", "survived", ""),
        ("input.x", "y", "stillborn", "compile"),
    ],
)
def test_stage_that_notices(
    policies: Path, tmp_path: Path, before: str, after: str, state: str, stage: str
) -> None:
    judge = Judge(OPA, policies, tmp_path / "own", None)
    judged = judge.judge(mutant(before, after))
    assert (judged.state, judged.stage) == (state, stage)
    assert judge.is_sound()
    assert (tmp_path / "own/policies/rules/a/b/rule.rego").read_text() == RULE


def test_golden_corpus_is_asked_last(policies: Path, tmp_path: Path) -> None:
    asked = []

    def is_golden(folder: Path) -> bool:
        asked.append((folder / "rules/a/b/rule.rego").read_text())
        return False

    judge = Judge(OPA, policies, tmp_path / "own", is_golden)
    assert judge.judge(mutant("3", "5")).stage == "own tests"
    assert asked == []
    assert judge.judge(mutant("3", "4")).stage == "golden"
    assert asked == [RULE.replace("3", "4")]
    assert not judge.is_sound()


def judged_edits(plan: Plan) -> list[str]:
    mutants = make_mutants(plan.opa, plan.policies)
    return [str(one.mutant) for one in judge_mutants(plan, mutants, lambda _: None)]


def test_a_sample_is_the_same_for_the_same_seed(policies: Path) -> None:
    plan = Plan(OPA, policies, None, seed=7, wanted=3)
    first = judged_edits(plan)
    assert first == judged_edits(plan)
    assert len(first) >= 3
    assert first != judged_edits(Plan(OPA, policies, None, seed=8, wanted=3))


def test_a_spent_budget_ends_the_run(policies: Path) -> None:
    assert judged_edits(Plan(OPA, policies, None, seed=7, budget_seconds=0.0)) == []


def test_policies_that_fail_unchanged_judge_nothing(policies: Path) -> None:
    (policies / "main/main_test.rego").write_text("package main.main_test\n\ntest_no if false\n")
    with pytest.raises(UnsoundError):
        judged_edits(Plan(OPA, policies, None, seed=7))


def test_progress_says_rate_and_time_left() -> None:
    progress = Progress(100, started=0.0)
    assert "of 100 mutants" in progress.line(None)
    assert progress.line(60).split(",")[0].strip() == "0 of 60 mutants"
