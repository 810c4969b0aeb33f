"""`gateway policy impact` over a real log and two real OPAs; batches equal singles."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.engine.port import EngineFailure
from gateway.engine.supervisor import SupervisedOpa
from gateway.errors import BundleError, ConfigError
from gateway.impact.side import ask, side_of
from gateway.policy_impact_cli import impact, read_candidate_bundle
from gateway.recorded.floors import floor_over
from gateway.wire.classes import ProcessClass, project
from tests.fakes.bundles import real_opa
from tests.fakes.decisions import DECLARATION, SENDER
from tests.fakes.recorded import archive_of, bundle_files_of, bundle_of
from tests.fakes.recorded_world import (
    LIMITS,
    SERVICES,
    TRAFFIC,
    RecordedWorld,
    invoke,
    make_recorded_world,
)

pytestmark = pytest.mark.opa
EXPECTED = {"id": "hsm", "glob": "hsm-*", "control": "PCI-DSS-4.0.1/10.2.1", "reason": "keys"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RecordedWorld:
    return make_recorded_world(tmp_path_factory.mktemp("impact"))


def run(world: RecordedWorld, services: Sequence[Any], *more: str, **bundle: Any) -> Any:
    folder = world.candidate(services, **bundle)
    return invoke(impact, "--config", str(world.config), "--candidate", str(folder), *more)


def test_the_same_rules_lose_nothing(world: RecordedWorld) -> None:
    result = run(world, SERVICES, "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)["impact"]
    assert value["verdicts"] == sum(TRAFFIC.values()) + len(TRAFFIC)
    assert value["moves"]["same"] == value["verdicts"]
    assert value["losses"] == []
    assert value["active_ns"] > 0
    assert value["candidate_ns"] > 0


def test_a_loss_is_named_and_is_exit_code_one(world: RecordedWorld) -> None:
    result = run(world, SERVICES[:1], "--json", never_filter=[{**EXPECTED, "expected": True}])
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    [loss] = value["impact"]["losses"]
    assert loss["name"] == "ledger@production/eu-west-1 SOX/404"
    assert loss["verdicts"] == TRAFFIC["ledger"] + 1
    assert value["unseen"] == [{"row": "hsm", "control": EXPECTED["control"], "last_day": ""}]


def test_people_read_it_in_eighty_columns(world: RecordedWorld) -> None:
    more = [{"prefix": "log-", "control": "SOX/404", "level": "soft", "reason": "r"}]
    rows = [{**EXPECTED, "expected": True}]
    result = run(world, [*SERVICES[:1], *more], "--since", "4w", never_filter=rows)
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80, result.stdout
    text = " ".join(" ".join(lines).split())
    assert "1 would LOSE PROTECTION; an approval lists each:" in text
    assert "ledger@production/eu-west-1 SOX/404 keep (soft) -> drop, 4 verdicts" in text
    assert "PCI DSS 4.0.1 0 0 44" in text
    assert "ALARM not seen any more: hsm" in text
    assert "501 more protected, 4 less, 44 unchanged" in text


def test_a_batch_is_its_singles() -> None:
    """The same classes asked in batches and one by one, by the real OPA."""
    names = ["card-vault", "ledger", "game", "log-shipper", "patient-data-service"]
    classes = [
        project(DECLARATION, SENDER, {"process.executable.name": f"{name}-{number}"}, "drop")
        for name in names
        for number in range(120)
    ]
    bundle = bundle_of(SERVICES)

    async def main() -> None:
        engine = SupervisedOpa(bundle, real_opa(), LIMITS)
        await engine.start()
        try:
            side = side_of(bundle, floor_over(None, (), ()), engine)
            questions = [(item, ("night",)) for item in classes]
            batched = await ask(side, questions, SystemClock())
            assert len(batched.batch_ns) < 10
            for item in classes[::3]:
                assert batched.verdicts[item, ("night",)] == await alone(side, item)
        finally:
            await engine.aclose()

    async def alone(side: Any, item: ProcessClass) -> Any:
        [answer] = await side.engine.evaluate(item.sender, ("night",), [item])
        assert not isinstance(answer, EngineFailure)
        return side.settle(item, answer, side.floor, side.exceptions)[0]

    asyncio.run(main())


def test_a_candidate_is_a_folder_or_an_archive(world: RecordedWorld, tmp_path: Path) -> None:
    folder = world.candidate(SERVICES)
    archive = tmp_path / "bundle.tar.gz"
    archive.write_bytes(archive_of(bundle_files_of(SERVICES, version=2)))
    assert read_candidate_bundle(folder) == read_candidate_bundle(archive)
    archive.write_bytes(b"no archive")
    with pytest.raises(BundleError):
        read_candidate_bundle(archive)
    with pytest.raises(BundleError, match="name a folder or an archive"):
        read_candidate_bundle(tmp_path / "gone")


def test_a_candidate_that_blinds_the_floor_is_refused(world: RecordedWorld) -> None:
    result = run(world, SERVICES, attributes=["process.executable.name"])
    assert isinstance(result.exception, BundleError)


@pytest.mark.parametrize("since", ["30", "0d", "d", "1h", "-3d"])
def test_a_period_is_days_or_weeks(world: RecordedWorld, since: str) -> None:
    result = run(world, SERVICES, "--since", since)
    assert isinstance(result.exception, ConfigError)
