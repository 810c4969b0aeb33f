"""Sealed data with the real OPA: it protects, an answer without it is none, and its words are
nowhere but in memory: not in the database, in answers, in output or in OPA's own folder."""

import asyncio
import gzip
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from gateway.audit.port import Draft
from gateway.bundles.archive import pack_archive
from gateway.bundles.folder import Bundle
from gateway.bundles.sealed_data import unseal
from gateway.changes.engines import Engines, LiveBundle, Makers
from gateway.clock import ManualClock
from gateway.decisions.service import DecisionService
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.engine.process import OpaProcess
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from gateway.errors import BundleError, EngineError
from gateway.sealed.age import AgeKeyService
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, project
from tests.fakes.bundles import real_opa
from tests.fakes.decisions import COLLECTOR, FAR_US, NOW_US, body, make_policy
from tests.fakes.log import ACTOR
from tests.fakes.sealed_bundle import (
    FLOOR_NAME,
    FLOOR_SECRET,
    KEYS,
    RULE_NAME,
    RULE_SECRET,
    sealed_bundle,
)
from tests.fakes.sql_logs import open_engine, open_log

pytestmark = pytest.mark.opa

SENDER = Sender("production", "eu-west-1", "unlisted")
DECLARATION = ClassDeclaration(("process.executable.name",), (500, 1000))


def drop(name: str) -> ProcessClass:
    return project(DECLARATION, SENDER, {"process.executable.name": name}, "drop")


async def ask(engine: SupervisedOpa, *names: str) -> list[RuleVerdict | EngineFailure]:
    return await engine.evaluate(SENDER, [], [drop(name) for name in names])


def seen_from_outside(pid: int | None) -> dict[str, bytes]:
    process = Path(f"/proc/{pid}")
    return {name: (process / name).read_bytes() for name in ("cmdline", "environ")}


def supervise(
    bundle: Bundle,
    scenario: Callable[[SupervisedOpa], Awaitable[None]],
    limits: SupervisionLimits | None = None,
) -> None:
    async def over() -> None:
        engine = SupervisedOpa(bundle, real_opa(), limits or SupervisionLimits())
        await engine.start()
        try:
            await scenario(engine)
        finally:
            await engine.aclose()

    asyncio.run(over())


def assert_silent(found: bytes) -> None:
    """Neither pattern nor name, plain or in what is packed."""
    for word in (FLOOR_SECRET, RULE_SECRET, FLOOR_NAME, RULE_NAME):
        assert word.encode() not in found


def test_policies_read_sealed_data_and_opa_lost_and_found_reads_it_again() -> None:
    async def scenario(engine: SupervisedOpa) -> None:
        expected = ["protect", "permit"]
        for _ in range(2):
            verdicts = await ask(engine, RULE_NAME, "log-shipper")
            assert [getattr(verdict, "decision", verdict) for verdict in verdicts] == expected
            pid = engine.supervisor.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 30
            while engine.supervisor.pid in (pid, None) or engine.supervisor.engine is None:
                [answer] = await ask(engine, RULE_NAME)
                # Down or back, it never lets the watched process go.
                assert not (isinstance(answer, RuleVerdict) and answer.decision == "permit")
                assert time.monotonic() < deadline, engine.supervisor.last_error
                await asyncio.sleep(0.02)

    supervise(unseal(sealed_bundle(), KEYS), scenario)


def test_opas_folder_and_command_line_hold_neither_sealed_data_nor_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: dict[str, bytes] = {}
    remove = OpaProcess.remove_files

    def look_first(process: OpaProcess) -> None:
        folder = process._folder
        for path in sorted(folder.rglob("*") if folder.exists() else ()):
            if path.is_file():
                found[str(path.relative_to(folder))] = path.read_bytes()
        remove(process)

    monkeypatch.setattr(OpaProcess, "remove_files", look_first)

    async def scenario(engine: SupervisedOpa) -> None:
        found.update(seen_from_outside(engine.supervisor.pid))

    supervise(unseal(sealed_bundle(), KEYS), scenario)
    [token] = [
        part.partition(b"=")[2]
        for part in found.pop("environ").split(b"\0")
        if part.startswith(b"SEALED_DATA_TOKEN=")
    ]
    expected = {"config.yaml", "policies.tar.gz", "authz/.manifest", "authz/authz.rego"}
    assert found.keys() == expected | {"cmdline"}
    found["policies"] = gzip.decompress(found["policies.tar.gz"])
    for content in found.values():
        assert_silent(content)
        assert token not in content


@pytest.mark.parametrize(
    ("revision", "archive"),
    [
        ("1-00.sealed.ffff", None),
        (None, b"not a bundle"),
        (None, pack_archive({".manifest": b'{"revision":"","roots":["sealed"]}'})),
    ],
    ids=["another revision", "no archive", "no revision"],
)
def test_an_opa_without_the_sealed_revision_never_answers(
    revision: str | None, archive: bytes | None
) -> None:
    bundle = unseal(sealed_bundle(), KEYS)
    assert bundle.sealed is not None
    sealed = replace(
        bundle.sealed,
        revision=revision or bundle.sealed.revision,
        archive=archive or bundle.sealed.archive,
    )

    async def scenario(engine: SupervisedOpa) -> None:
        raise AssertionError("it started")

    with pytest.raises(EngineError, match=r"wrong|answered by|not healthy") as refused:
        supervise(replace(bundle, sealed=sealed), scenario, SupervisionLimits(start_seconds=4.0))
    assert_silent(str(refused.value).encode())


class OneBundle:
    """A store of one bundle; what is stored is looked up, not read."""

    def put(self, bundle_hash: str, archive: bytes) -> None:
        raise AssertionError("nothing is stored here")

    def get(self, bundle_hash: str) -> bytes | None:
        return b"stored"


async def live(bundle: Bundle, keys: AgeKeyService) -> tuple[Engines, LiveBundle]:
    async def make(opened: Bundle) -> SupervisedOpa:
        engine = SupervisedOpa(opened, real_opa())
        await engine.start()
        return engine

    engines = Engines(OneBundle(), lambda _: unseal(bundle, keys), Makers(make, make))
    return engines, await engines.ready(bundle.hash, is_candidate=False)


def test_verdicts_show_and_record_nothing_of_sealed_data(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "log.db"

    async def over() -> dict[str, Any]:
        engines, bundle = await live(sealed_bundle(), KEYS)
        storage = open_engine(database)
        clock = ManualClock(NOW_US)
        log = await open_log(storage, KEYS, clock)
        try:
            activated = Draft("bundle.activated", ACTOR, b'{"prior":null}')
            [entry] = await log.append([activated], after=-1)
            policy = make_policy(bundle.engine, activation=entry.seq, floor_rows=bundle.rows)
            service = DecisionService(lambda: policy, log, clock, ACTOR)
            names = [(FLOOR_NAME, "a"), (RULE_NAME, "b"), ("log-shipper", "c")]
            asked = [
                {"ref": ref, "process": {"process.executable.name": name}, "action": "drop"}
                for name, ref in names
            ]
            answer = await service.decide(COLLECTOR, SENDER, FAR_US, body(*asked))
        finally:
            await log.aclose()
            storage.dispose()
            await engines.aclose()
        assert_silent(answer)
        decoded: dict[str, Any] = json.loads(answer)
        return decoded

    answer = asyncio.run(over())
    verdicts = {ref: answer["verdicts"][position] for ref, position in answer["refs"]}
    assert [verdicts[ref]["action"] for ref in "abc"] == ["keep", "keep", "drop"]
    [reason] = [one for one in verdicts["a"]["reasons"] if one["rule"].startswith("floor.")]
    assert reason["rule"] == "floor.row-1"
    stored = list(tmp_path.iterdir())
    assert stored
    for path in stored:
        assert_silent(path.read_bytes())
    output = capfd.readouterr()
    assert_silent((output.out + output.err).encode())


def test_a_bundle_whose_sealed_data_does_not_open_serves_nobody() -> None:
    stranger = AgeKeyService([x25519.Identity.generate()])
    with pytest.raises(BundleError, match=r"sealed/pci/data\.sops\.yaml: sops\.age: none of"):
        asyncio.run(live(sealed_bundle(), stranger))
