"""A gateway's folder with recorded traffic, made with the real OPA, database and age identity."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
from typer import Typer
from typer.testing import CliRunner, Result

from gateway.changes.activation import Justification, begin
from gateway.changes.journal import Journal
from gateway.clock import ManualClock, SystemClock
from gateway.engine.opa import EngineLimits
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from gateway.sealed.age import AgeKeyService
from gateway.storage.bundles_store import SqlBundleStore
from tests.fakes.bundles import real_opa
from tests.fakes.decisions import DAY_US
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.recorded import Traffic, archive_of, bundle_files_of, policy_of
from tests.fakes.sql_logs import open_engine, open_log

SERVICES: Sequence[Mapping[str, Any]] = (
    {"prefix": "card-", "control": "PCI-DSS-4.0.1/10.2.1", "level": "hard", "reason": "cards"},
    {"prefix": "ledger", "control": "SOX/404", "level": "soft", "reason": "reports"},
)
TRAFFIC = {"card-vault": 40, "card-proxy": 2, "ledger": 3, "log-shipper": 500}
LIMITS = SupervisionLimits(engine=EngineLimits(deadline_seconds=20.0))


@dataclass(frozen=True, slots=True)
class RecordedWorld:
    """`config` is the gateway.yaml."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "gateway.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "log.db"

    def candidate(self, services: Sequence[Mapping[str, Any]], **more: Any) -> Path:
        """The folder of a candidate bundle."""
        folder = self.folder / "candidate"
        for path, content in bundle_files_of(services, version=2, **more).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return folder


def make_recorded_world(folder: Path) -> RecordedWorld:
    """Traffic of two days, the last of them yesterday."""
    world = RecordedWorld(folder)
    identity = folder / "age.txt"
    identity.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    identity.chmod(0o600)
    document = {
        "trust_domain": "example.org",
        "tls": {"certificate": "none.pem", "key": "none.pem", "ca": "none.pem"},
        "log": {"origin": ORIGIN, "database": "sqlite:///log.db", "checkpoint_key": "none.pem"},
        "policies": {"bundle": "none.tar.gz", "bundle_keys": []},
        "key_service": {"age_identity": "age.txt"},
        "engine": {"opa": str(real_opa())},
    }
    world.config.write_text(json.dumps(document))  # JSON is YAML
    asyncio.run(_live(world))
    return world


async def _live(world: RecordedWorld) -> None:
    from gateway.bundles.folder import parse_bundle
    from gateway.recorded.bundles import accepted_bundle

    database = open_engine(world.database)
    clock = ManualClock(wall_us=SystemClock().now_us() - 2 * DAY_US)
    log = await open_log(database, AgeKeyService.open(world.folder / "age.txt"), clock)
    files = bundle_files_of(SERVICES)
    bundle = parse_bundle(files)
    SqlBundleStore(database).put(bundle.hash, archive_of(files))
    why = Justification("test", "begin", "")
    state = await begin(Journal(log, clock), bundle, "", why, ACTOR)
    engine = SupervisedOpa(bundle, real_opa(), LIMITS)
    await engine.start()
    try:
        policy = policy_of(accepted_bundle(bundle), engine, state.activation)
        traffic = Traffic(log, clock)
        await traffic.give(policy, TRAFFIC)
        clock.advance(86_400)
        await traffic.give(policy, dict.fromkeys(TRAFFIC, 1))
    finally:
        await engine.aclose()
        await log.aclose()
        database.dispose()


def invoke(command: Any, *arguments: str) -> Result:
    """Run one command function as the console script would."""
    app = Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80", "TERM": "dumb"})
