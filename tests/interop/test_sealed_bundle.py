"""OPA servers of the user's take sealed data from the gateway if they are listed; one that is not
never has an answer that counts."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.bundles.folder import Bundle
from gateway.bundles.sealed_data import offered_sealed, unseal
from gateway.engine.opa import EngineLimits
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.engine.remote import RemoteLimits, RemoteOpa
from gateway.errors import EngineError
from gateway.transparency.entry import parse_entry
from gateway.wire.classes import ClassDeclaration, Sender, project
from tests.fakes.bundle_gateway import ENGINE, NAME, BundleGateway
from tests.fakes.bundles import small_bundle
from tests.fakes.remote_opa import RemoteServer
from tests.fakes.sealed_bundle import KEYS, REGO, RULE_NAME, sealed_bundle

SENDER = Sender("production", "eu-west-1", "central")
DECLARATION = ClassDeclaration(("process.executable.name",), (500, 1000))
PATIENCE_SECONDS = 30.0
LIMITS = RemoteLimits(engine=EngineLimits(deadline_seconds=PATIENCE_SECONDS))


@contextmanager
def served(
    folder: Path, bundle: Bundle, engines: frozenset[str]
) -> Iterator[tuple[BundleGateway, RemoteServer]]:
    """A gateway that serves sealed data to these engines, and a real OPA that asks it."""
    with BundleGateway(folder / "keys", bundle, engines) as gateway:
        server = RemoteServer(folder / "opa", gateway.opa_config())
        try:
            server.start()
            yield gateway, server
        finally:
            server.kill()
    entries = map(parse_entry, gateway.log.entries)
    denied = {entry.actor for entry in entries if entry.type == "denial"}
    assert denied == {ENGINE} - engines


def expected(bundle: Bundle) -> dict[str, str]:
    return {NAME: bundle.revision, f"{NAME}.sealed": offered_sealed(bundle).revision}


async def ask(engine: RemoteOpa) -> list[RuleVerdict | EngineFailure]:
    names = (RULE_NAME, "log-shipper")
    classes = [
        project(DECLARATION, SENDER, {"process.executable.name": name}, "drop") for name in names
    ]
    return await engine.evaluate(SENDER, [], classes)


def test_a_listed_engine_protects_what_sealed_data_names(tmp_path: Path) -> None:
    bundle = unseal(sealed_bundle(), KEYS)

    async def scenario(opa: RemoteServer) -> None:
        engine = RemoteOpa([opa.address], expected(bundle), limits=LIMITS)
        try:
            await engine.start()
            assert await engine.wait_for_revision(PATIENCE_SECONDS) == [], opa.last_words()
            answers = await ask(engine)
        finally:
            await engine.aclose()
        assert [getattr(one, "decision", one) for one in answers] == ["protect", "permit"]

    with served(tmp_path, bundle, frozenset({ENGINE})) as (_, opa):
        asyncio.run(scenario(opa))


def test_without_sealed_data_no_answer_counts(tmp_path: Path) -> None:
    bundle = unseal(sealed_bundle(), KEYS)

    async def scenario(opa: RemoteServer) -> None:
        policies_alone = RemoteOpa([opa.address], {NAME: bundle.revision}, limits=LIMITS)
        engine = RemoteOpa([opa.address], expected(bundle), limits=LIMITS)
        try:
            await policies_alone.start()
            assert await policies_alone.wait_for_revision(PATIENCE_SECONDS) == []
            await engine.start()
            with pytest.raises(EngineError, match="no OPA server serves the expected revision"):
                await engine.wait_for_revision(1.0)
            assert await ask(engine) == [EngineFailure("wrong_revision")] * 2
        finally:
            await engine.aclose()
            await policies_alone.aclose()

    with served(tmp_path, bundle, frozenset()) as (_, opa):
        asyncio.run(scenario(opa))


def test_the_sealed_data_of_an_earlier_bundle_goes_with_it(tmp_path: Path) -> None:
    before, after = unseal(sealed_bundle(), KEYS), small_bundle(REGO, version=2)

    async def scenario(gateway: BundleGateway, opa: RemoteServer) -> None:
        old = RemoteOpa([opa.address], expected(before), limits=LIMITS)
        new = RemoteOpa([opa.address], expected(after), limits=LIMITS)
        try:
            await old.start()
            assert await old.wait_for_revision(PATIENCE_SECONDS) == [], opa.last_words()
            gateway.publish(after)
            await new.start()
            assert await new.wait_for_revision(PATIENCE_SECONDS) == [], opa.last_words()
            answers = await ask(new)
            assert await ask(old) == [EngineFailure("wrong_revision")] * 2
        finally:
            await old.aclose()
            await new.aclose()
        assert [getattr(one, "decision", one) for one in answers] == ["permit", "permit"]

    with served(tmp_path, before, frozenset({ENGINE})) as (gateway, opa):
        asyncio.run(scenario(gateway, opa))
