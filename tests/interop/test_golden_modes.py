"""The supervised OPA, an OPA server of the user's and `opa eval` give the same verdicts, byte for
byte, over what of the golden corpus a gateway can ask."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.bundles.folder import Bundle, read_bundle
from gateway.engine.opa import EngineLimits
from gateway.engine.port import Engine
from gateway.engine.remote import RemoteLimits, RemoteOpa
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from tests.fakes.bundle_gateway import NAME, BundleGateway
from tests.fakes.bundles import real_opa
from tests.fakes.remote_opa import RemoteServer
from tests.golden.classes import Asked, answers_of, askable
from tests.golden.golden import load_golden
from tests.golden.opa import answer_all
from tests.interop.programs import POLICIES

PATIENCE_SECONDS = 60.0
LEAST_CLASSES = 2000
# What is compared is what they answer, however busy the machine is.
ENGINE = EngineLimits(deadline_seconds=60.0)
LIMITS = RemoteLimits(engine=ENGINE)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(POLICIES)


@pytest.fixture(scope="module")
def asked(bundle: Bundle) -> list[Asked]:
    golden = load_golden(POLICIES)
    answered = answer_all(real_opa(), POLICIES, golden.questions)
    asked = askable(golden.questions, answered, bundle.class_declaration)
    assert sum(len(one.classes) for one in asked) >= LEAST_CLASSES
    return asked


async def assert_same(engine: Engine, asked: Sequence[Asked]) -> None:
    answers = await answers_of(engine, asked)
    for one, answer in zip(asked, answers, strict=True):
        for process_class, expected, given in zip(one.classes, one.expected, answer, strict=True):
            assert given == expected, (one.sender, one.windows, process_class)
    digests = {
        hashlib.sha256(b"\n".join(verdict for answer in rows for verdict in answer)).hexdigest()
        for rows in (answers, [one.expected for one in asked])
    }
    assert len(digests) == 1


def test_supervised_opa(bundle: Bundle, asked: list[Asked]) -> None:
    async def scenario() -> None:
        engine = SupervisedOpa(bundle, real_opa(), SupervisionLimits(engine=ENGINE))
        await engine.start()
        try:
            await assert_same(engine, asked)
        finally:
            await engine.aclose()

    asyncio.run(scenario())


def test_opa_server_of_the_user_s(bundle: Bundle, asked: list[Asked], tmp_path: Path) -> None:
    async def scenario(server: RemoteServer) -> None:
        engine = RemoteOpa([server.address], {NAME: bundle.revision}, limits=LIMITS)
        await engine.start()
        try:
            assert await engine.wait_for_revision(PATIENCE_SECONDS) == [], server.last_words()
            await assert_same(engine, asked)
        finally:
            await engine.aclose()

    with BundleGateway(tmp_path / "keys", bundle) as gateway:
        server = RemoteServer(tmp_path / "opa", gateway.opa_config())
        try:
            server.start()
            asyncio.run(scenario(server))
        finally:
            server.kill()
