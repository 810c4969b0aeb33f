"""torchwood's litewitness, another's witness, takes our checkpoints and proofs and refuses what it
should. Run by `make interop-witness`."""

import asyncio
import base64
import hashlib
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.audit.witness_client import WitnessAddress, WitnessClient
from gateway.audit.witnesses import Witnesses
from gateway.clock import SystemClock
from gateway.transparency.cosignature import CosignatureVerifier
from gateway.transparency.witness_policy import parse_policy
from tests.fakes.witnesses import SIGNER, MemoryWitnessedLog, Tree
from tests.interop.programs import PARTS, find, run, said

NAME = "litewitness.example/w1"
PROGRAM = PARTS / "litewitness"
START_SECONDS = 30.0

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists() or find("ssh-agent") is None,
    reason="needs ssh-agent and litewitness: run `make interop-witness`",
)


@dataclass(frozen=True)
class Running:
    url: str
    verifier: CosignatureVerifier


@pytest.fixture
def litewitness(tmp_path: Path) -> Iterator[Running]:
    """A litewitness that knows our log, with a key in an ssh-agent of its own."""
    key = Ed25519PrivateKey.generate()
    private = tmp_path / "key"
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    digest = hashlib.sha256(base64.b64decode(public.split(b" ")[1])).digest()
    fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
    verifier = CosignatureVerifier.from_public_key(NAME, key.public_key().public_bytes_raw())
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")])
    arguments = ["-name", NAME, "-key", fingerprint, "-listen", address]
    arguments += ["-ssh-agent", str(tmp_path / "agent"), "-db", str(tmp_path / "w.db")]
    witness: subprocess.Popen[bytes] | None = None
    try:
        wait_for(tmp_path / "agent")
        added = run(
            find("ssh-add") or Path("ssh-add"),
            private,
            environment={"SSH_AUTH_SOCK": str(tmp_path / "agent")},
        )
        assert added.returncode == 0, said(added)
        witness = subprocess.Popen([str(PROGRAM), *arguments])
        wait_for_port(address)
        know_log(tmp_path / "w.db")
        yield Running(f"http://{address}", verifier)
    finally:
        for process in (witness, agent):
            if process is not None:
                process.kill()
                process.wait()


def know_log(path: Path) -> None:
    empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO log VALUES (?, 0, ?)", (SIGNER.name, empty))
        database.execute("INSERT INTO key VALUES (?, ?)", (SIGNER.name, SIGNER.vkey))
    database.close()


def wait_for(path: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while not path.exists():
        assert time.monotonic() < ends, f"{path} does not come"
        time.sleep(0.02)


def wait_for_port(address: str) -> None:
    host, port = address.split(":")
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            assert time.monotonic() < ends, f"nobody listens on {address}"
            time.sleep(0.05)
        else:
            return


def test_our_checkpoints_are_cosigned_and_another_history_is_not(litewitness: Running) -> None:
    policy = parse_policy(
        f"log {SIGNER.vkey}\nwitness lite {litewitness.verifier.vkey}\nquorum lite\n"
    )
    log = MemoryWitnessedLog(Tree(), 5)
    address = WitnessAddress("lite", litewitness.url, litewitness.verifier)

    async def go() -> None:
        async with httpx.AsyncClient(trust_env=False) as http:

            def ours() -> Witnesses:
                client = WitnessClient(http)
                return Witnesses(log, policy, [address], client, 1.0, SystemClock())

            witnesses = ours()
            for size in (5, 6, 300, 301):
                log.size = size
                await witnesses.submit_newest()
                assert witnesses.statuses["lite"].failure is None
                assert policy.is_met(log.cosigned[size])
            log.size = 302
            restarted = ours()  # it does not know the witness's size and is told
            await restarted.submit_newest()
            assert restarted.met_size == 302
            log.size = 100
            rolled_back = ours()
            await rolled_back.submit_newest()
            assert (rolled_back.problem() or "").startswith("witnessed_ahead: ")
            assert rolled_back.newest_seen() == 302
            log.tree = Tree(salt="forked", shared=50)
            for size in (302, 310):
                log.size = size
                forked = ours()
                await forked.submit_newest()
                assert (forked.problem() or "").startswith("fork_seen: ")
                assert size == 302 or size not in log.cosigned

    asyncio.run(go())


def test_a_stranger_s_log_is_not_cosigned(litewitness: Running) -> None:
    other = Tree(signer=type(SIGNER)(SIGNER.name, Ed25519PrivateKey.generate()))
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{litewitness.url}/add-checkpoint", content=other.request(0, 5))
    assert answer.status_code == 403
