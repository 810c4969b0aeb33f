"""Survivors need a reason, reasons need a survivor, and 95 % must die."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.judge import Judgement
from tests.mutants.mutant import Identity, Mutant
from tests.mutants.report import summary, table, weigh
from tests.mutants.survivors import load_survivors


def mutant(number: int) -> Mutant:
    return Mutant("main/main.rego", number, "verdicts", "compare", f"{number} → x", b"")


def killed(count: int) -> list[Judgement]:
    return [Judgement(mutant(number), "killed", "all tests") for number in range(count)]


ALIVE = Judgement(mutant(99), "survived")
REASONS = {ALIVE.mutant.identity: "equivalent"}


def test_enough_killed_and_every_survivor_listed_holds() -> None:
    outcome = weigh([*killed(19), ALIVE], REASONS, True, [ALIVE.mutant])
    assert outcome.holds
    assert outcome.share_killed == 0.95
    assert "19 of 20 mutants killed: 95.0%" in summary(outcome)[-1]


def test_an_unlisted_survivor_fails_however_many_die() -> None:
    outcome = weigh([*killed(999), ALIVE], {}, True, [ALIVE.mutant])
    assert not outcome.holds
    assert outcome.unlisted == (ALIVE.mutant,)
    assert "main/main.rego:99 compare in verdicts: 99 → x" in summary(outcome)[0]


def test_too_few_killed_fails() -> None:
    assert not weigh([*killed(8), ALIVE], REASONS, True, [ALIVE.mutant]).holds
    assert weigh([*killed(9), ALIVE], REASONS, True, [ALIVE.mutant]).holds
    alive = [replace(ALIVE, mutant=replace(ALIVE.mutant, nth=nth)) for nth in range(2, 22)]
    reasons = {one.mutant.identity: "equivalent" for one in alive}
    every = [one.mutant for one in alive]
    assert not weigh([*killed(299), *alive], reasons, True, every).holds  # 93.7 % of 319


def test_a_reason_for_nothing_fails() -> None:
    dead = killed(20)
    reasons = {dead[3].mutant.identity: "thought to be equivalent"}
    assert weigh(dead, reasons, True, [one.mutant for one in dead]).stale == tuple(reasons)
    gone = {Identity("main/main.rego", "gone", "compare", "< → <="): "old"}
    assert weigh(dead, gone, True, [one.mutant for one in dead]).stale == tuple(gone)
    assert weigh(dead, REASONS, True, [ALIVE.mutant]).holds  # not judged in this sample


def test_a_run_that_was_cut_short_fails() -> None:
    assert not weigh(killed(20), {}, False, []).holds


def test_stillborn_ones_are_not_counted() -> None:
    judged = [*killed(2), Judgement(mutant(5), "stillborn", "compile")]
    assert weigh(judged, {}, True, []).made == 2
    assert table(judged)[-1].split() == ["all", "2", "0", "2", "0", "0", "0"]


def test_list_of_survivors(tmp_path: Path) -> None:
    listed = tmp_path / "survivors.yaml"
    listed.write_text(
        "- {path: a, place: b, operator: c, edits: [d, {edit: d, nth: 2}], reason: because}\n"
    )
    assert load_survivors(listed) == {
        Identity("a", "b", "c", "d"): "because",
        Identity("a", "b", "c", "d", 2): "because",
    }


@pytest.mark.parametrize(
    "text",
    [
        '- {path: a, place: b, operator: c, edits: [d], reason: " "}',
        "- {path: a, place: b, operator: c, edits: [d]}",
        "- {path: a, place: b, operator: c, edits: [d, d], reason: x}",
    ],
)
def test_list_of_survivors_that_says_too_little(tmp_path: Path, text: str) -> None:
    (tmp_path / "survivors.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"survivor|twice"):
        load_survivors(tmp_path / "survivors.yaml")
