"""The witness over HTTP: status, body and media type as tlog-witness says; limits."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from gateway.api.witness import create_witness_application
from gateway.clock import ManualClock
from gateway.witness.memory import WitnessMemory
from gateway.witness.requests import MAX_BODY_BYTES
from gateway.witness.witness import Witness
from tests.fakes.api import trickle
from tests.fakes.witnesses import COSIGNER, SIGNER, Tree

LOGS = {SIGNER.name: (SIGNER.verifier,)}


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with WitnessMemory(tmp_path, LOGS) as memory:
        yield Witness(COSIGNER, LOGS, memory, ManualClock())


def ask(
    witness: Witness,
    *bodies: bytes | AsyncIterator[bytes],
    path: str = "/add-checkpoint",
    method: str = "POST",
    timeout_seconds: float = 5.0,
) -> list[httpx.Response]:
    async def converse() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_witness_application(witness, timeout_seconds))
        async with httpx.AsyncClient(transport=transport, base_url="http://w") as client:
            return [await client.request(method, path, content=body) for body in bodies]

    return asyncio.run(converse())


def test_answers_are_as_the_protocol_says(witness: Witness) -> None:
    tree = Tree()
    first, conflict, forked = ask(
        witness, tree.request(0, 5), tree.request(0, 9), Tree(salt="f").request(5, 9)
    )
    assert (first.status_code, first.text[:2], first.text[-1]) == (200, "— ", "\n")
    assert (conflict.status_code, conflict.text) == (409, "5\n")
    assert conflict.headers["content-type"] == "text/x.tlog.size"
    assert forked.status_code == 422


def test_other_paths_and_methods_are_not_there(witness: Witness) -> None:
    assert ask(witness, b"", path="/")[0].status_code == 404
    assert ask(witness, b"", method="GET")[0].status_code == 405


def test_a_body_past_the_limit_is_not_read(witness: Witness) -> None:
    assert ask(witness, b"x" * MAX_BODY_BYTES)[0].status_code == 400
    assert ask(witness, b"x" * (MAX_BODY_BYTES + 1))[0].status_code == 413


def test_a_body_that_drips_is_given_up(witness: Witness) -> None:
    drip = trickle(b"old 0\n", b"\n", pause_seconds=0.5)
    assert ask(witness, drip, timeout_seconds=0.05)[0].status_code == 408


def test_what_happens_is_counted(witness: Witness) -> None:
    tree, stranger = Tree(), b"old 0\n\nother/log\n1\nAAAA\n\n\xe2\x80\x94 a AAAAAAA=\n"

    async def converse() -> str:
        transport = httpx.ASGITransport(create_witness_application(witness, 5.0))
        async with httpx.AsyncClient(transport=transport, base_url="http://w") as client:
            await client.post("/add-checkpoint", content=tree.request(0, 5))
            await client.post("/add-checkpoint", content=tree.request(0, 6))
            await client.post("/add-checkpoint", content=stranger)
            assert (await client.get("/healthz")).status_code == 200
            return (await client.get("/metrics")).text

    told = asyncio.run(converse())
    assert f'witness_answers_total{{log="{SIGNER.name}",status="200"}} 1.0' in told
    assert f'witness_answers_total{{log="{SIGNER.name}",status="409"}} 1.0' in told
    assert 'witness_answers_total{log="unknown",status="404"} 1.0' in told
    assert f'witness_log_size{{log="{SIGNER.name}"}} 5.0' in told
