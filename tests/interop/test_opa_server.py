"""An OPA that the test starts itself, over the gateway's archive, says what the port says."""

import asyncio
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import httpx
import msgspec

from gateway.bundles.folder import Bundle, read_bundle
from gateway.engine.port import RuleVerdict
from gateway.engine.supervisor import SupervisedOpa
from gateway.wire.classes import ProcessClass, Sender, project
from gateway.wire.verdicts import Action
from tests.interop.programs import POLICIES, part

SENDER = Sender("production", "eu-west-1", "central")
WINDOWS = ("trading-hours",)
PROPOSALS = 50
START_SECONDS = 30.0
NAMES = (
    *("payment-gateway-1", "payment-processor", "cardholder-db", "patient-data-service"),
    *("general-ledger", "customer-data-processor", "trading-engine", "plc-controller-2"),
    *("safety-monitor", "log-shipper", "backup-service", "update-agent", "kworker/0:1", "bash"),
    *("audit-logger", "phi-service", "python3", "java", "a" * 15, "Überwachung", ""),
)
SOURCES = ("executable", "script", "interpreter", "unknown", "truncated")


def test_verdicts_are_those_of_the_engine_port(tmp_path: Path) -> None:
    seed = int(os.environ.get("INTEROP_SEED") or secrets.randbits(32))
    sys.stdout.write(f"INTEROP_SEED={seed}\n")
    bundle = read_bundle(POLICIES)
    classes = make_classes(random.Random(seed), bundle)
    batch, singles = asyncio.run(ask_port(bundle, classes))
    with running_opa(bundle.archive, tmp_path) as url, httpx.Client(trust_env=False) as client:
        expected = ask_server(client, url, classes)
        expected_singles = [ask_server(client, url, [one])[0] for one in classes]
    assert batch == expected
    assert singles == expected
    assert expected_singles == expected
    assert {verdict["decision"] for verdict in expected} == {"permit", "protect"}


def make_classes(source: random.Random, bundle: Bundle) -> list[ProcessClass]:
    """Classes of one sender, of every action, named and unnamed; the first has a sure permit."""
    made = [_permitted(bundle)]
    while len(made) < PROPOSALS:
        action: Action = source.choice(get_args(Action))
        attributes = {name: source.choice(NAMES) for name in bundle.class_declaration.attributes}
        attributes = {name: text for name, text in attributes.items() if source.random() < 0.4}
        attributes["compliance.process.identity_source"] = source.choice(SOURCES)
        made.append(
            project(
                bundle.class_declaration,
                SENDER,
                attributes,
                action,
                source.uniform(0.001, 0.999) if action == "sample" else None,
                source.choice([None, 0.1, source.random()]),
                source.choice(["balanced", "aggressive", ""]),
            )
        )
    return made


def _permitted(bundle: Bundle) -> ProcessClass:
    attributes = {
        "process.executable.name": "log-shipper",
        "process.executable.path": "/usr/bin/log-shipper",
        "compliance.process.identity": "log-shipper",
        "compliance.process.identity_source": "executable",
    }
    return project(bundle.class_declaration, SENDER, attributes, "keep", None, 0.1, "balanced")


async def ask_port(
    bundle: Bundle, classes: Sequence[ProcessClass]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The engine port's answers in one batch, and one by one."""
    engine = SupervisedOpa(bundle, part("opa"))
    await engine.start()
    try:
        batch = await engine.evaluate(SENDER, WINDOWS, classes)
        singles = [(await engine.evaluate(SENDER, WINDOWS, [one]))[0] for one in classes]
    finally:
        await engine.aclose()
    for answer in (*batch, *singles):
        assert isinstance(answer, RuleVerdict), answer
    return _as_json(batch), _as_json(singles)


def _as_json(answers: Sequence[Any]) -> list[dict[str, Any]]:
    decoded: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(answers))
    return decoded


def ask_server(
    client: httpx.Client, url: str, classes: Sequence[ProcessClass]
) -> list[dict[str, Any]]:
    """The server's answers by position, in the shape of the port's; the question is written from
    docs/formats.md section 6 and shares nothing with the engine's."""
    proposals = [
        {
            "ref": f"r{position}",
            "process": dict(one.attributes),
            "action": one.action,
            "sample_permille": one.sample_permille,
            "score": one.score,
            "profile": one.profile,
        }
        for position, one in enumerate(classes)
    ]
    subject = {"environment": SENDER.environment, "region": SENDER.region, "tier": SENDER.tier}
    question = {
        "subject": subject,
        "context": {"time": {"windows": list(WINDOWS)}},
        "proposals": proposals,
    }
    answer = client.post(f"{url}/v1/data/main/verdicts", json={"input": question})
    by_ref = {item["ref"]: item for item in answer.raise_for_status().json()["result"]}
    assert len(by_ref) == len(classes)
    return [_in_ports_shape(by_ref[f"r{position}"]) for position in range(len(classes))]


def _in_ports_shape(item: Mapping[str, Any]) -> dict[str, Any]:
    reasons = [{"remediation": "", **reason} for reason in item["reasons"]]
    rest = {name: value for name, value in item.items() if name not in {"ref", "reasons"}}
    return {"ttl_seconds": 300, **rest, "reasons": reasons}


@contextmanager
def running_opa(archive: bytes, folder: Path) -> Iterator[str]:
    """A plain OPA server over the archive; gives its address."""
    (folder / "bundle.tar.gz").write_bytes(archive)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [str(part("opa")), "run", "--server", f"--addr={address}", "--skip-version-check"]
    with (folder / "opa.log").open("wb") as log:
        process = subprocess.Popen([*command, "--bundle", "bundle.tar.gz"], cwd=folder, stderr=log)
    try:
        _await_health(process, f"http://{address}", folder / "opa.log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get(f"{url}/health?bundles").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise AssertionError(json.dumps(log.read_text(errors="replace")[-1000:]))
