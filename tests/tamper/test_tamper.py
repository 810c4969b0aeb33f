"""Each mutation of a real log has its word, the same by the command and by the stand-alone
verifier, and none verifies OK."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.transparency.__main__ import main as stand_alone
from tests.tamper import columns, deeds, entries, trees
from tests.tamper.evidence import World, governed_world, made_world
from tests.tamper.mutation import MUTATIONS, Case, Mutation

LISTS = (columns, deeds, entries, trees)  # importing them fills MUTATIONS
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


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with governed_world(tmp_path_factory.mktemp("governed")) as made:
        yield made


def verify(case: Case, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    arguments = [str(case.evidence), "--key", case.key, "--json"]
    for anchor in case.anchors:
        arguments += ["--checkpoint", str(anchor)]
    code = stand_alone(arguments)
    verdict = json.loads(capsys.readouterr().out)
    command = CliRunner().invoke(app, ["audit", "verify", *arguments])
    assert (command.exit_code, json.loads(command.stdout)["verdict"]) == (code, verdict["verdict"])
    return code, verdict


@pytest.mark.parametrize("source", ["database", "folder", "archive"])
def test_the_evidence_itself_is_whole(
    source: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, verdict = verify(world.case(tmp_path / "case", source), capsys)
    assert (code, verdict["verdict"]) == (0, "OK"), verdict
    assert verdict["entries"] > 256  # type: ignore[operator]
    if source == "database":
        assert verdict["checkpoints"] >= 5  # type: ignore[operator]


@pytest.mark.parametrize("key", ["first", "newest"])
def test_deeds_of_two_people_are_no_tampering(
    key: str, governed: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = governed.case(tmp_path / "case")
    case.key = (governed.thief if key == "first" else governed.signer).vkey
    code, verdict = verify(case, capsys)
    assert (code, verdict["verdict"]) == (0, "ERASED"), verdict
    assert verdict["keys"] == [governed.thief.vkey, governed.signer.vkey]


def test_there_are_enough_kinds() -> None:
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS) >= LEAST_MUTATIONS
    assert len({one.kind for one in MUTATIONS}) >= LEAST_KINDS
    assert "OK" not in {one.word for one in MUTATIONS}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_mutation_has_its_word(
    mutation: Mutation,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    is_governed = mutation.source == "governed"
    world: World = request.getfixturevalue("governed" if is_governed else "world")
    case = world.case(tmp_path / "case", "database" if is_governed else mutation.source)
    mutation.apply(case)
    code, verdict = verify(case, capsys)
    assert verdict["verdict"] == mutation.word, verdict["sentence"]
    assert code == EXIT_CODES.get(mutation.word, 1)
    assert set(mutation.flags) <= set(verdict["flags"])  # type: ignore[call-overload]
    assert verdict["what_to_do"]
