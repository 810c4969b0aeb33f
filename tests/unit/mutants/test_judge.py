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


class PretendCorpus:
    """Notes what it is asked with, and answers as told."""

    def __init__(self, quickly: bool, in_the_end: bool) -> None:
        self._quickly, self._in_the_end = quickly, in_the_end
        self.asked: list[tuple[str, str]] = []

    def agrees_quickly(self, policies: Path, mutant: Mutant) -> bool:
        self.asked.append(("quickly", (policies / mutant.path).read_text()))
        return self._quickly

    def agrees(self, policies: Path) -> bool:
        self.asked.append(("all", (policies / "rules/a/b/rule.rego").read_text()))
        return self._in_the_end


def test_golden_corpus_is_asked_about_what_its_own_tests_let_pass(
    policies: Path, tmp_path: Path
) -> None:
    corpus = PretendCorpus(quickly=True, in_the_end=False)
    judge = Judge(OPA, policies, tmp_path / "own", corpus)
    assert judge.judge(mutant("3", "5")).stage == "own tests"
    assert corpus.asked == []
    assert judge.judge(mutant("3", "4")).stage == "golden"
    changed = RULE.replace("3", "4")
    assert corpus.asked == [("quickly", changed), ("all", changed)]
    assert not judge.is_sound()


def test_golden_corpus_may_notice_quickly(policies: Path, tmp_path: Path) -> None:
    corpus = PretendCorpus(quickly=False, in_the_end=True)
    judge = Judge(OPA, policies, tmp_path / "own", corpus)
    assert judge.judge(mutant("3", "4")).stage == "golden"
    row = Mutant("data/pci/data.yaml", 1, "days", "number", "30 → 31", b"days: 31\n")
    assert judge.judge(row).stage == "golden"
    assert [stage for stage, _ in corpus.asked] == ["quickly", "quickly"]


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
