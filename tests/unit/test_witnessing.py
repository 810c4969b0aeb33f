"""Witnesses as the configuration names them, what they say together, and as metrics."""

import asyncio
from pathlib import Path
from typing import cast

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gateway.audit.fork_reports import ForkReports
from gateway.audit.timestamps import Stamp, TimestampAuthority, Timestamps
from gateway.audit.witness_client import WitnessAddress
from gateway.audit.witnesses import Witnesses
from gateway.clock import ManualClock
from gateway.configuration import WitnessConfig, WitnessesConfig
from gateway.errors import ConfigError, LogUnavailableError
from gateway.transparency.witness_policy import parse_policy
from gateway.wire.fork_reports import ForkReport
from gateway.witnessing import (
    Witnessing,
    WitnessingCollector,
    find_addresses,
    read_witness_policy,
)
from tests.fakes.log import MemoryLog
from tests.fakes.witnesses import (
    COSIGNER,
    SIGNER,
    MemoryWitnessedLog,
    Tree,
    WitnessNetwork,
)
from tests.unit.transparency.logs import make_signer

WITNESS = f"witness w1 {COSIGNER.verifier.vkey}"


def settings(folder: Path, text: str, *addresses: tuple[str, str]) -> WitnessesConfig:
    path = folder / "policy"
    path.write_text(text)
    return WitnessesConfig(path, tuple(WitnessConfig(*address) for address in addresses))


def test_addresses_of_the_configuration_come_before_the_policy_s(tmp_path: Path) -> None:
    text = f"{WITNESS} https://one.example\nquorum w1\n"
    config = settings(tmp_path, text)
    policy = read_witness_policy(config, [SIGNER.verifier])
    assert [found.url for found in find_addresses(config, policy)] == ["https://one.example"]
    config = settings(tmp_path, text, ("w1", "http://127.0.0.1:1"))
    assert [found.url for found in find_addresses(config, policy)] == ["http://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("text", "addresses", "told"),
    [
        (f"{WITNESS}\nquorum w1\n", (), "witness 'w1' has no address"),
        (f"{WITNESS} http://one.example\nquorum w1\n", (), "neither an https address"),
        (f"{WITNESS} https://a\nquorum w1\n", (("w2", "https://b"),), "'w2' is no witness of"),
        (f"log {make_signer(9).vkey}\nquorum none\n", (), "accepts other logs only"),
        ("quorum w1\n", (), "at witnesses.policy: .*line 1"),
    ],
)
def test_what_cannot_work_stops_the_start(
    tmp_path: Path, text: str, addresses: tuple[tuple[str, str], ...], told: str
) -> None:
    config = settings(tmp_path, text, *addresses)
    with pytest.raises(ConfigError, match=told):
        find_addresses(config, read_witness_policy(config, [SIGNER.verifier]))


def make_witnessing(odd: httpx.Response) -> Witnessing:
    network = WitnessNetwork(odd={"w1": odd})
    log = MemoryWitnessedLog(Tree(), 8)
    policy = parse_policy(f"{WITNESS}\nquorum w1\n")
    address = WitnessAddress("w1", "https://w1", COSIGNER.verifier)
    witnesses = Witnesses(log, policy, [address], network.client(), 10.0, ManualClock())
    asyncio.run(witnesses.submit_newest())
    reports = ForkReports(MemoryLog(signer=SIGNER), log, [SIGNER.verifier])
    return Witnessing(log, reports, witnesses, None)


def exposed(witnessing: Witnessing) -> str:
    registry = CollectorRegistry()
    registry.register(WitnessingCollector(witnessing))
    return generate_latest(registry).decode()


def test_what_anybody_says_is_said_together() -> None:
    text = Tree().note(8).partition("\n\n")[0] + "\n"
    good = make_witnessing(httpx.Response(200, text=COSIGNER.cosign(text, 5)))
    assert (good.problem(), good.newest_seen()) == (None, 8)
    told = exposed(good)
    assert "gateway_witness_problem 0.0" in told
    assert "gateway_cosigned_size 8.0" in told
    assert 'gateway_witness_failing{witness="w1"} 0.0' in told
    ahead = make_witnessing(httpx.Response(409, text="90\n"))
    assert (ahead.problem() or "").startswith("witnessed_ahead: ")
    assert ahead.newest_seen() == 90
    report = ForkReport(Tree().note(8), Tree(salt="forked").note(8))
    asyncio.run(ahead.reports.take("spiffe://bank.test/collector/p/r/c", report))
    assert (ahead.problem() or "").startswith("fork_seen: ")
    told = exposed(ahead)
    assert "gateway_witness_problem 1.0" in told
    assert 'gateway_witness_failing{witness="w1"} 1.0' in told


class StubAuthority:
    """Stamps with tokens that say nothing; `fault` is raised instead."""

    url = "http://tsa"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.fault: Exception | None = None

    async def stamp(self, text: str) -> Stamp:
        if self.fault is not None:
            raise self.fault
        self.texts.append(text)
        return Stamp(b"token", 5)


def test_stamping_goes_on_after_a_failure_sooner() -> None:
    log, authority = MemoryWitnessedLog(Tree(), 8), StubAuthority()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        log.fault = authority.fault = None
        if len(pauses) == 2:
            authority.fault = ZeroDivisionError("a defect")
            log.size = 9
        if len(pauses) == 4:
            raise asyncio.CancelledError

    log.fault = LogUnavailableError("locked")
    stamps = Timestamps(log, cast(TimestampAuthority, authority), 3600.0, ManualClock(), sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stamps.run())
    assert pauses == [60.0, 3600.0, 60.0, 3600.0]
    assert [text.split("\n")[1] for text in authority.texts] == ["8", "9"]
    assert [row.size for row in log.stamps] == [8, 9]
    assert (stamps.failure, stamps.stamped_size) == (None, 9)
