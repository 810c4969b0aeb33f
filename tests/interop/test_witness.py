"""Witnesses as processes of their own, over HTTP and HTTPS, against the gateway's side; what they
cosign opens in Go."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.audit.errors import LogBrokenError
from gateway.audit.sql_log import SqlLog
from gateway.clock import SystemClock
from gateway.configuration import GatewayConfig, WitnessConfig, WitnessesConfig
from gateway.inquiring import ask_outside, inquiry_of
from gateway.storage.engine import Engine
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.cosignature import CosignatureVerifier
from gateway.transparency.witness_policy import parse_policy, read_policy
from gateway.witness.requests import format_add_checkpoint
from gateway.witness.settings import create_witness
from gateway.witnessing import Witnessing, run_witnesses
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.pki import GATEWAY, make_domain
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log
from tests.fakes.witnesses import Tree
from tests.interop.programs import find, run, said

SOURCE = Path(__file__).with_name("go_cosignature")
CLOCK = SystemClock()


class WitnessProcess:
    """`gateway witness serve` over a folder that `create_witness` made."""

    def __init__(self, folder: Path, name: str, tls: tuple[Path, Path] | None = None) -> None:
        self.folder = folder
        self.verifier: CosignatureVerifier = create_witness(folder, name, [SIGNER.vkey])
        settings = folder / "witness.yaml"
        text = settings.read_text().replace("8470", "0")
        if tls is not None:
            text += f"tls: {{certificate: {tls[0]}, key: {tls[1]}}}\n"
        settings.write_text(text)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Its address while it serves; killed without warning at the end."""
        program = Path(sys.executable).with_name("gateway")
        command: list[str | Path] = [
            program,
            "witness",
            "serve",
            "--config",
            self.folder / "witness.yaml",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            assert told.startswith("listening on "), told
            yield told.removeprefix("listening on ").strip().replace("127.0.0.1", "localhost")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
            assert process.stdout is not None
            process.stdout.close()


def configure(
    folder: Path, witnesses: dict[str, tuple[WitnessProcess, str]], ca: Path | None
) -> GatewayConfig:
    """A configuration whose policy asks for all of them; only its `log` and `witnesses` count."""
    lines = [f"log {SIGNER.vkey}"]
    lines += [f"witness {name} {made.verifier.vkey}" for name, (made, _) in witnesses.items()]
    lines += [f"group everybody all {' '.join(witnesses)}", "quorum everybody", ""]
    (folder / "policy").write_text("\n".join(lines))
    config = msgspec.convert(
        {
            "trust_domain": "bank.test",
            "tls": {"certificate": "x", "key": "x", "ca": "x"},
            "log": {"origin": ORIGIN, "database": "x", "checkpoint_key": "x"},
            "policies": {"bundle": "x", "bundle_keys": []},
            "key_service": {"age_identity": "x"},
        },
        GatewayConfig,
        dec_hook=lambda kind, item: Path(str(item)),
    )
    addresses = tuple(WitnessConfig(name, url) for name, (_, url) in witnesses.items())
    settings = WitnessesConfig(folder / "policy", addresses, 1, ca)
    return msgspec.structs.replace(config, witnesses=settings)


async def grow(engine: Engine, *texts: str) -> None:
    log = await open_log(engine)
    await log.append([note(text) for text in texts])
    await log.aclose()


@asynccontextmanager
async def witnessing(config: GatewayConfig, engine: Engine) -> AsyncIterator[Witnessing]:
    log = await open_log(engine)
    async with run_witnesses(config, engine, log, [SIGNER.verifier], CLOCK) as running:
        yield running
    await log.aclose()


async def until_met(running: Witnessing, size: int) -> None:
    assert running.witnesses is not None
    async with asyncio.timeout(30):
        while running.witnesses.met_size < size:  # noqa: ASYNC110 - what runs tells nobody
            await asyncio.sleep(0.05)


async def start(config: GatewayConfig, engine: Engine) -> None:
    """Open the log as a gateway does, which asks outside first; and close it."""
    inquire = await inquiry_of(config, engine, [SIGNER.verifier], CLOCK)
    log = await SqlLog.open(
        engine, SIGNER.name, SIGNER, MemoryKeyService(), CLOCK, ACTOR, inquire=inquire
    )
    await log.aclose()


@pytest.mark.timeout(300)
def test_the_whole_way(tmp_path: Path) -> None:
    """Two witnesses, one behind TLS; a witness that is killed; a database that is put back."""
    domain = make_domain(tmp_path / "keys", CLOCK)
    plain = WitnessProcess(tmp_path / "w1", "witness.example/w1")
    secured = WitnessProcess(tmp_path / "w2", "witness.example/w2", domain.files(GATEWAY))
    engine = open_engine(tmp_path / "log.db")

    async def go() -> str:
        with secured.serve() as secured_url:
            assert secured_url.startswith("https://")
            with plain.serve() as url:
                members = {"w1": (plain, url), "w2": (secured, secured_url)}
                config = configure(tmp_path, members, domain.ca)
                await grow(engine, "one", "two")
                async with witnessing(config, engine) as running:
                    await until_met(running, 3)
                    assert running.problem() is None
                with sqlite3.connect(tmp_path / "log.db") as database:
                    database.execute("VACUUM INTO ?", (str(tmp_path / "old.db"),))
                database.close()
                await grow(engine, "three")
            with plain.serve() as url:  # another process, the same memory
                members = {"w1": (plain, url), "w2": (secured, secured_url)}
                config = configure(tmp_path, members, domain.ca)
                async with witnessing(config, engine) as running:
                    await until_met(running, 4)
                    cosigned = await running.log.newest_cosigned()
                older = open_engine(tmp_path / "old.db")
                with pytest.raises(LogBrokenError, match="has seen 4: this is an older copy"):
                    await start(config, older)
                older.dispose()
                told = await ask_outside(config, engine, [SIGNER.verifier], CLOCK)
                assert (told.heard, {seen.size for seen in told.sightings}) == (2, {4})
                await start(config, engine)
        assert cosigned is not None
        return cosigned

    try:
        cosigned = asyncio.run(go())
    finally:
        engine.dispose()
    assert read_policy(tmp_path / "policy").is_met(cosigned)
    assert open_checkpoint(cosigned, SIGNER.verifier).size == 4
    open_in_go(tmp_path, cosigned, [plain.verifier, secured.verifier])


def open_in_go(folder: Path, cosigned: str, witnesses: list[CosignatureVerifier]) -> None:
    go = find("go")
    if go is None:
        pytest.skip("no Go on this machine's PATH: the note was opened by our own code only")
    program = folder / "cosignature"
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
    built = run(
        go, "build", "-mod=readonly", "-o", program, ".", cwd=SOURCE, environment=environment
    )
    assert built.returncode == 0, said(built)
    (folder / "log.vkey").write_text(SIGNER.vkey)
    files = [folder / f"{at}.vkey" for at in range(len(witnesses))]
    for path, verifier in zip(files, witnesses, strict=True):
        path.write_text(verifier.vkey)
    for text, expected in (
        (cosigned, 0),
        (cosigned.replace("\n4\n", "\n5\n"), 1),
        (cosigned.rpartition("— ")[0], 1),  # one cosignature is gone
    ):
        (folder / "note").write_text(text)
        done = run(program, folder / "log.vkey", folder / "note", *files)
        assert done.returncode == expected, said(done)
        if not expected:
            lines = said(done).split("\n")
            assert lines[0] == "4"
            assert [line.split(" ")[0] for line in lines[1:3]] == [
                verifier.name for verifier in witnesses
            ]


@pytest.mark.timeout(300)  # three processes, one after the other
def test_killed_at_any_moment_a_witness_never_goes_back(tmp_path: Path) -> None:
    """Whatever it cosigned before it was killed, the next process remembers."""
    witness = WitnessProcess(tmp_path / "w1", "witness.example/w1")
    policy = parse_policy(f"witness w {witness.verifier.vkey}\nquorum w\n")
    tree, cosigned = Tree(SIGNER), 0
    for attempt in range(3):
        with witness.serve() as url, httpx.Client(trust_env=False) as client:
            known = int(submit(client, url, tree, 399, 399).text)
            assert known >= cosigned
            killer = subprocess.Popen(["sleep", str(0.05 * attempt)])
            with contextlib.suppress(httpx.HTTPError):
                while known < 390 and killer.poll() is None:
                    answer = submit(client, url, tree, known, known + 1)
                    assert answer.status_code == 200
                    assert policy.is_met(tree.note(known + 1) + answer.text)
                    cosigned = known = known + 1
            killer.wait()
    assert cosigned > 0


def submit(client: httpx.Client, url: str, tree: Tree, old: int, new: int) -> httpx.Response:
    body = format_add_checkpoint(old, tree.proof(old, new), tree.note(new))
    return client.post(f"{url}/add-checkpoint", content=body)
