"""The oracle and the real policies agree on every question, and both with what people wrote."""

import random
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.golden.agreement import disagreements
from tests.golden.altered import write_altered
from tests.golden.golden import Golden, load_golden
from tests.golden.handmade import Handmade, load_handmade
from tests.golden.opa import answer_all
from tests.golden.oracle import expect
from tests.unit.policies.bundle import OPA, POLICIES

pytestmark = pytest.mark.opa

SHOWN = 10
Answers = list[list[dict[str, Any]]]


def test_oracle_and_policies_agree(golden: Golden, answered: Answers) -> None:
    found = disagreements(golden.questions, golden.answers, answered)
    assert found == [], "\n".join([f"{len(found)} disagreements", *found[:SHOWN]])


@pytest.mark.parametrize("handmade", load_handmade(), ids=lambda one: one.case)
def test_oracle_gives_the_answer_that_people_wrote(handmade: Handmade, golden: Golden) -> None:
    [verdict] = expect(golden.tables, handmade.question)
    assert handmade.faults(verdict) == []


def test_policies_give_the_answers_that_people_wrote() -> None:
    cases = load_handmade()
    answers = answer_all(OPA, POLICIES, [case.question for case in cases])
    faults = {
        case.case: found
        for case, [verdict] in zip(cases, answers, strict=True)
        if (found := case.faults(verdict))
    }
    assert faults == {}


def test_a_batch_equals_its_singles(golden: Golden, answered: Answers) -> None:
    """Whatever stands beside a proposal changes nothing of its verdict."""
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")
    pairs = random.Random(seed).sample(list(zip(golden.questions, answered, strict=True)), 40)
    singles, expected = [], []
    for question, answer in pairs:
        by_ref = {one["ref"]: one for one in answer}
        for proposal in question["proposals"][:5]:
            ref = proposal.get("ref") if isinstance(proposal, dict) else None
            singles.append({**question, "proposals": [proposal]})
            expected.append([by_ref[ref]] if ref in by_ref else [])
    assert answer_all(OPA, POLICIES, singles) == expected


@pytest.fixture
def altered(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    shutil.copytree(POLICIES, folder)
    write_altered(folder)
    return folder


def test_oracle_and_policies_agree_on_tables_as_they_are_not_today(altered: Path) -> None:
    """What today's tables do not say, tomorrow's may."""
    golden = load_golden(altered)
    answers = answer_all(OPA, altered, golden.questions)
    found = disagreements(golden.questions, golden.answers, answers)
    assert found == [], "\n".join([f"{len(found)} disagreements", *found[:SHOWN]])
    said = {one["control"] for answer in answers for v in answer for one in v["reasons"]}
    assert {"BASELINE/residency-conflict", "BASELINE/retention-conflict"} <= said
