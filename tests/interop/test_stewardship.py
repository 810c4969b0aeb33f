"""A bundle's whole way in one process, with the real OPA, database and signatures: staged, tried,
assessed, approved, rolled out under traffic, in force; and back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.audit.sql_log import SqlLog
from gateway.bundles.archive import pack_archive
from gateway.bundles.keys import keyid_of
from gateway.changes.approvals import Approving
from gateway.changes.state import Governance, Stage
from gateway.clock import SystemClock
from gateway.configuration import (
    EngineConfig,
    GatewayConfig,
    KeyServiceConfig,
    LogConfig,
    Policies,
    RolloutConfig,
    Tls,
)
from gateway.decisions.service import DecisionService
from gateway.lifecycle import Lifecycle, run_lifecycle
from gateway.sealed.age import AgeKeyService
from gateway.stewardship import Traffic, make_steward
from gateway.storage.bundles_store import SqlBundleStore
from gateway.storage.recorded_store import SqlRecordedEntries
from tests.fakes.bundles import AUTHOR_KEY, real_opa, revised, sign_raw
from tests.fakes.changes import ANN, BOB
from tests.fakes.decisions import COLLECTOR, SENDER, body, proposal
from tests.fakes.deeds import FakeRemovals
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.recorded import bundle_files_of, service
from tests.fakes.sql_logs import open_engine, open_log, stored_entries, verify

pytestmark = [pytest.mark.opa, pytest.mark.slow]

POLICIES = Path(__file__).parents[2] / "policies"
CARDS = service("card-")
LEDGER = service("ledger", "SOX/404", level="soft")
NAMES = ("card-vault", "ledger", "log-shipper")
LOST = "card-vault@production/eu-west-1 PCI-DSS-4.0.1/10.2.1"
FAR_US = 4_000_000_000_000_000
TEST = b"""package main.main_test

import data.main

test_nothing_proposed_is_nothing_decided if main.verdicts == [] with input as {"proposals": []}
"""
RULES = b"""package validation

failures := [sprintf("failures: %d", [input.failures]) | input.failures > 0]
"""


def archive_of(version: int, services: Sequence[Mapping[str, Any]], **files: bytes) -> bytes:
    """A bundle that protects these services, built and signed."""
    found = {
        **bundle_files_of(services, version=version),
        "capabilities.json": (POLICIES / "capabilities.json").read_bytes(),
        "main/main_test.rego": TEST,
        "validation/validation.rego": RULES,
        **files,
    }
    manifest = json.loads(found[".manifest"])
    manifest["roots"].append("validation")
    found[".manifest"] = json.dumps(manifest).encode()
    return pack_archive(sign_raw(revised(found), keyid=keyid_of(AUTHOR_KEY.public_key())))


def configuration(folder: Path) -> GatewayConfig:
    """What a gateway needs of its configuration to serve policies."""
    key = AUTHOR_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "author.pub").write_bytes(key)
    (folder / "seed.tar.gz").write_bytes(archive_of(1, [CARDS]))
    identity = folder / "age.txt"
    identity.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    identity.chmod(0o600)
    nowhere = folder / "none.pem"
    return GatewayConfig(
        trust_domain="example.org",
        tls=Tls(nowhere, nowhere, nowhere),
        log=LogConfig(ORIGIN, "sqlite:///log.db", nowhere),
        policies=Policies(folder / "seed.tar.gz", (folder / "author.pub",)),
        key_service=KeyServiceConfig(identity),
        engine=EngineConfig(real_opa(), timeout_ms=20_000),
        rollout=RolloutConfig(dwell_seconds=0, min_evaluated=2),
    )


class Process:
    """A gateway without its listener; its collector asks all the time."""

    def __init__(self, lifecycle: Lifecycle, log: SqlLog) -> None:
        self.lifecycle = lifecycle
        self.queue = lifecycle.queue
        clock = SystemClock()
        self.service = DecisionService(lifecycle.follower, log, clock, ACTOR)
        self.answers: list[dict[str, Any]] = []

    async def ask(self) -> dict[str, str]:
        """What becomes of each process."""
        asked = body(*(proposal(name) for name in NAMES))
        answer = json.loads(await self.service.decide(COLLECTOR, SENDER, FAR_US, asked))
        self.answers.append(answer)
        return {name: answer["verdicts"][position]["action"] for name, position in answer["refs"]}

    async def collect(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(0.02)

    async def until(self, holds: Callable[[Governance], bool]) -> Governance:
        """The state once it is so."""
        async with asyncio.timeout(100):
            while not holds(self.lifecycle.journal.state):  # noqa: ASYNC110 (other tasks move it)
                await asyncio.sleep(0.02)
        return self.lifecycle.journal.state

    async def stage(self, archive: bytes) -> str:
        return str((await self.queue.stage_bundle(ANN, archive, "a new rule"))["id"])

    async def approve(self, id: str, *losses: str) -> Governance:
        state = await self.until(lambda state: state.changes[id].assessment is not None)
        bundle = str(state.changes[id].subject["bundle"])
        said = Approving(bundle=bundle, losses=losses)
        await self.queue.approve(BOB, id, said, "it is right", "T-1")
        return await self.until(lambda state: state.changes[id].stage is Stage.ACTIVE)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Process]:
    config = configuration(folder)
    database = open_engine(folder / "log.db")
    keys = AgeKeyService.open(config.key_service.age_identity)
    log = await open_log(database, keys, interval_seconds=0.05)
    clock = SystemClock()
    try:
        store = SqlBundleStore(database)
        first_key = log.verifiers()[0].vkey
        async with run_lifecycle(
            config, log, store, ACTOR, clock, [], keys, first_key=first_key
        ) as lifecycle:
            traffic = Traffic(SqlRecordedEntries(database, ORIGIN), log.vault)
            removals = FakeRemovals()
            steward = make_steward(
                config, lifecycle, log, traffic, clock, ACTOR, removals, log.can_hand_over
            )
            process = Process(lifecycle, log)
            async with asyncio.TaskGroup() as beside:
                tasks = [
                    beside.create_task(steward.run()),
                    beside.create_task(process.collect()),
                ]
                yield process
                for task in tasks:
                    task.cancel()
    finally:
        await log.aclose()
        database.dispose()


def losses_of(state: Governance, id: str) -> tuple[str, ...] | None:
    """What its assessment names."""
    assessment = state.changes[id].assessment
    return assessment.losses if assessment is not None else None


def test_a_bundle_goes_all_the_way_and_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as process:
            before = {"card-vault": "keep", "ledger": "drop", "log-shipper": "drop"}
            assert await process.ask() == before

            more = await process.stage(archive_of(2, [CARDS, LEDGER]))
            assert losses_of(await process.approve(more), more) == ()
            await process.until(lambda state: process.lifecycle.follower().ref.revision[0] == "2")
            assert await process.ask() == {**before, "ledger": "keep"}

            less = await process.stage(archive_of(3, [LEDGER]))
            assert losses_of(await process.approve(less, LOST), less) == (LOST,)
            await process.until(lambda state: process.lifecycle.follower().ref.revision[0] == "3")
            assert await process.ask() == {**before, "card-vault": "drop", "ledger": "keep"}

            back = str((await process.queue.rollback(ANN, "", "cards are kept"))["id"])
            await process.until(lambda state: process.lifecycle.follower().hold is None)
            assert (await process.ask())["card-vault"] == "keep"  # before anybody approved it
            await process.approve(back)
            await process.until(lambda state: process.lifecycle.follower().ref.revision[0] == "2")
            assert await process.ask() == {**before, "ledger": "keep"}

    asyncio.run(run())
    database = open_engine(tmp_path / "log.db")
    assert stored_entries(database)
    assert verify(database).exit_code in (0, 3)
    database.dispose()


def test_a_bundle_whose_tests_fail_never_gets_near(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as process:
            bad = b"package main.main_test\n\ntest_never if 1 == 2\n"
            id = await process.stage(archive_of(2, [], **{"main/main_test.rego": bad}))
            state = await process.until(lambda state: state.changes[id].stage is Stage.REJECTED)
            assert "test_never" in state.changes[id].detail
            assert state.active is not None
            assert state.active.version == 1
            assert (await process.ask())["card-vault"] == "keep"

    asyncio.run(run())
