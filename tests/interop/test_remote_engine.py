"""Verdicts of an OPA that takes its bundle from the gateway are those of the supervised one."""

import asyncio
import random
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from gateway.bundles.folder import Bundle, read_bundle
from gateway.engine.opa import EngineLimits
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.engine.remote import RemoteLimits, RemoteOpa
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from gateway.wire.classes import ProcessClass, Sender, project
from gateway.wire.verdicts import Action
from tests.fakes.bundle_gateway import NAME, BundleGateway
from tests.fakes.bundles import real_opa, small_bundle
from tests.fakes.remote_opa import RemoteServer
from tests.interop.programs import POLICIES

SENDER = Sender("production", "eu-west-1", "central")
WINDOWS = ("trading-hours",)
CLASSES = 300
PATIENCE_SECONDS = 30.0
PATIENT = EngineLimits(deadline_seconds=PATIENCE_SECONDS)  # other work may hold the machine
SUPERVISION = SupervisionLimits(engine=PATIENT)
REMOTE = RemoteLimits(engine=PATIENT)
NAMES = (
    *("payment-gateway-1", "cardholder-db", "patient-data-service", "general-ledger", "bash"),
    *("customer-data-processor", "trading-engine", "log-shipper", "backup-service", "java"),
    *("update-agent", "safety-monitor", "Überwachung", "", "a" * 15),
)
SOURCES = ("executable", "script", "interpreter", "unknown", "truncated")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(POLICIES)


@pytest.fixture
def gateway(tmp_path: Path, bundle: Bundle) -> Iterator[BundleGateway]:
    with BundleGateway(tmp_path / "keys", bundle) as gateway:
        yield gateway


@pytest.fixture
def opa(tmp_path: Path, gateway: BundleGateway) -> Iterator[RemoteServer]:
    server = RemoteServer(tmp_path / "opa", gateway.opa_config())
    try:
        server.start()
        yield server
    finally:
        server.kill()


def make_classes(bundle: Bundle, source: random.Random) -> list[ProcessClass]:
    made = []
    for _ in range(CLASSES):
        action: Action = source.choice(get_args(Action))
        attributes = {
            name: source.choice(NAMES)
            for name in bundle.class_declaration.attributes
            if source.random() < 0.3
        }
        attributes["compliance.process.identity_source"] = source.choice(SOURCES)
        rate = source.uniform(0.001, 0.999) if action == "sample" else None
        score = source.choice([None, source.random()])
        declaration = bundle.class_declaration
        made.append(project(declaration, SENDER, attributes, action, rate, score, "balanced"))
    return made


def test_verdicts_equal_those_of_the_supervised_opa_also_after_a_restart(
    bundle: Bundle, opa: RemoteServer
) -> None:
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")
    classes = make_classes(bundle, random.Random(seed))

    async def scenario() -> None:
        supervised = SupervisedOpa(bundle, real_opa(), SUPERVISION)
        remote = RemoteOpa([opa.address], {NAME: bundle.revision}, limits=REMOTE)
        try:
            await supervised.start()
            await remote.start()
            assert await remote.wait_for_revision(PATIENCE_SECONDS) == [], opa.last_words()
            assert remote.version == supervised.version
            expected = await supervised.evaluate(SENDER, WINDOWS, classes)
            assert {type(answer) for answer in expected} == {RuleVerdict}
            assert await remote.evaluate(SENDER, WINDOWS, classes) == expected

            await asyncio.to_thread(opa.kill)
            down = await remote.evaluate(SENDER, WINDOWS, classes[:2])
            assert down == [EngineFailure("unreachable")] * 2
            await asyncio.to_thread(opa.start)
            assert await remote.wait_for_revision(PATIENCE_SECONDS) == [], opa.last_words()
            assert await remote.evaluate(SENDER, WINDOWS, classes) == expected
        finally:
            await remote.aclose()
            await supervised.aclose()

    asyncio.run(scenario())


def test_a_new_activation_s_engine_waits_for_its_revision_and_the_old_one_s_fails_safe(
    bundle: Bundle, gateway: BundleGateway, opa: RemoteServer
) -> None:
    successor = small_bundle(version=2)
    classes = make_classes(bundle, random.Random(1))[:5]

    async def scenario() -> None:
        old = RemoteOpa([opa.address], {NAME: bundle.revision}, limits=REMOTE)
        new = RemoteOpa([opa.address], {NAME: successor.revision}, limits=REMOTE)
        try:
            await old.start()
            assert await old.wait_for_revision(PATIENCE_SECONDS) == []
            await new.start()
            early = await new.evaluate(SENDER, WINDOWS, classes)
            assert early == [EngineFailure("wrong_revision")] * 5
            gateway.publish(successor)
            assert await new.wait_for_revision(PATIENCE_SECONDS) == []
            late = await old.evaluate(SENDER, WINDOWS, classes)
            assert late == [EngineFailure("wrong_revision")] * 5
        finally:
            await new.aclose()
            await old.aclose()

    asyncio.run(scenario())


def test_without_our_certificate_a_server_is_not_asked(
    bundle: Bundle, opa: RemoteServer, tmp_path: Path
) -> None:
    """Nor when the server's certificate is of another CA: both ends are checked."""
    stranger = RemoteServer(tmp_path / "stranger")
    stranger.port = opa.port

    async def scenario() -> None:
        engine = RemoteOpa([stranger.address], {NAME: bundle.revision}, limits=REMOTE)
        await engine.start()
        assert "unreachable" in (await engine.health() or "")
        await engine.aclose()

    asyncio.run(scenario())
