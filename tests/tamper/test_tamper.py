"""Each mutation of a real log has its word, by the stand-alone verifier, and none verifies OK."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.transparency.__main__ import main as stand_alone
from tests.tamper import columns, entries, trees
from tests.tamper.evidence import World, made_world
from tests.tamper.mutation import MUTATIONS, Case, Mutation

LISTS = (columns, entries, trees)  # importing them fills MUTATIONS
EXIT_CODES = {
    "OK": 0,
    "OK_UNSEALED": 0,
    "PURGED": 0,
    "ERASED": 0,
    "UNVERIFIABLE": 2,
    "UNANCHORED": 3,
}
LEAST_MUTATIONS, LEAST_KINDS = 60, 25

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with made_world(tmp_path_factory.mktemp("world")) as made:
        yield made


def verify(case: Case, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    arguments = [str(case.evidence), "--key", case.key, "--json"]
    for anchor in case.anchors:
        arguments += ["--checkpoint", str(anchor)]
    code = stand_alone(arguments)
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("source", ["database", "folder", "archive"])
def test_the_evidence_itself_is_whole(
    source: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, verdict = verify(world.case(tmp_path / "case", source), capsys)
    assert (code, verdict["verdict"]) == (0, "OK"), verdict
    assert verdict["entries"] > 256  # type: ignore[operator]
    if source == "database":
        assert verdict["checkpoints"] >= 5  # type: ignore[operator]


def test_there_are_enough_kinds() -> None:
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS) >= LEAST_MUTATIONS
    assert len({one.kind for one in MUTATIONS}) >= LEAST_KINDS
    assert "OK" not in {one.word for one in MUTATIONS}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_mutation_has_its_word(
    mutation: Mutation, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = world.case(tmp_path / "case", mutation.source)
    mutation.apply(case)
    code, verdict = verify(case, capsys)
    assert verdict["verdict"] == mutation.word, verdict["sentence"]
    assert code == EXIT_CODES.get(mutation.word, 1)
    assert set(mutation.flags) <= set(verdict["flags"])  # type: ignore[call-overload]
    assert verdict["what_to_do"]
