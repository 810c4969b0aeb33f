"""The corpus is large, the same each time, and leaves no row, rule or region out."""

import json
from itertools import chain

from tests.golden.cases import environments, pattern_rows
from tests.golden.corpus import SEED, make_questions
from tests.golden.golden import Golden
from tests.golden.handmade import load_handmade
from tests.golden.pinned import PATH, describe
from tests.golden.regions import jurisdictions

LEAST_PROPOSALS = 2000


def test_corpus_is_what_is_pinned(golden: Golden) -> None:
    """A changed row, rule or generator changes the corpus or its answers: see what, and pin."""
    pinned = json.loads(PATH.read_text())
    assert describe(SEED, golden.questions, golden.answers) == pinned, (
        "the corpus or its expected answers changed: run `python -m tests.golden --ask`, "
        "review the difference of tests/golden/pinned.json, and commit it"
    )
    assert pinned["proposals"] >= LEAST_PROPOSALS


def test_corpus_is_the_same_for_the_same_seed(golden: Golden) -> None:
    again = make_questions(golden.tables)
    assert again == golden.questions[: len(again)]
    assert make_questions(golden.tables, SEED + 1) != again


def test_every_row_with_a_pattern_is_matched_and_nearly_matched(golden: Golden) -> None:
    """Rows of interpreters are asked about too, but stand in no reason."""
    said = {
        reason["message"].rpartition("(")[2].rstrip(")")
        for verdict in chain.from_iterable(golden.answers)
        for reason in verdict["reasons"]
    }
    rows = {row["id"] for _, row in pattern_rows(golden.tables) if "control" in row}
    assert len(rows) > 100
    assert rows - said == set()


def test_every_rule_speaks(golden: Golden) -> None:
    spoke = {
        reason["rule"]
        for verdict in chain.from_iterable(golden.answers)
        for reason in verdict["reasons"]
    }
    assert set(golden.tables.rules) - spoke == set()


def test_every_region_tier_and_environment_asks(golden: Golden) -> None:
    subjects = [
        question["subject"]
        for question in golden.questions
        if isinstance(question["subject"], dict)
    ]
    assert set(jurisdictions(golden.tables)) <= {str(one.get("region")) for one in subjects}
    tiers = set(golden.tables.by_name["leases"]["permit_ttl_seconds"])
    assert tiers <= {str(one.get("tier")) for one in subjects}
    assert set(environments(golden.tables)) <= {str(one.get("environment")) for one in subjects}


def test_every_kind_of_answer_is_expected(golden: Golden) -> None:
    verdicts = list(chain.from_iterable(golden.answers))
    kinds = {(verdict["decision"], verdict["action"]) for verdict in verdicts}
    permitted = {("permit", action) for action in ("drop", "sample", "keep")}
    assert kinds == permitted | {("protect", "sample"), ("protect", "keep")}
    duties = {duty["type"] for verdict in verdicts for duty in verdict["obligations"]}
    expected = {"allowed_regions", "encrypt", "full_audit", "mask", "no_sampling", "retain_days"}
    assert duties == expected


def test_handmade_cases_are_named_once() -> None:
    names = [handmade.case for handmade in load_handmade()]
    assert len(names) == len(set(names)) > 50
