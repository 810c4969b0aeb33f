"""The real OPA killed, stopped, looping, bursting: classes are kept, and the engine comes back."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from gateway.engine import process as processes
from gateway.engine.opa import EngineLimits
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.engine.process import ProcessLimits
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from gateway.errors import EngineError
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, project
from tests.fakes.bundles import real_opa, small_bundle

pytestmark = pytest.mark.opa

SENDER = Sender("production", "eu-west-1", "central")
DECLARATION = ClassDeclaration(("process.executable.name",), (500, 1000))
PERMIT = RuleVerdict("permit", "drop", 0)
SLACK_SECONDS = 1.0
BURST = b"""\
package main

verdicts := [v | some p in input.proposals; v := _verdict(p, p.process["process.executable.name"])]

_verdict(p, "burst") := {"ref": p.ref, "lists": [numbers.range(1, 400000) |
	some _ in numbers.range(1, 1000)
]}

_verdict(p, name) := {
	"ref": p.ref,
	"decision": "permit",
	"action": p.action,
	"sample_permille": p.sample_permille,
	"reasons": [],
	"obligations": [],
} if name != "burst"
"""


def drop(name: str) -> ProcessClass:
    return project(DECLARATION, SENDER, {"process.executable.name": name}, "drop")


def supervise(
    scenario: Callable[[SupervisedOpa], Awaitable[None]],
    limits: SupervisionLimits | None = None,
    rego: bytes | None = None,
) -> None:
    async def over() -> None:
        bundle = small_bundle() if rego is None else small_bundle(rego)
        engine = SupervisedOpa(bundle, real_opa(), limits or SupervisionLimits())
        await engine.start()
        try:
            await scenario(engine)
        finally:
            await engine.aclose()

    asyncio.run(over())


async def until_back(engine: SupervisedOpa, seconds: float) -> None:
    """Ask until a verdict comes; every answer till then is a failure that means keep."""
    deadline = time.monotonic() + seconds
    while True:
        [answer] = await engine.evaluate(SENDER, [], [drop("log-shipper")])
        if answer == PERMIT:
            return
        assert isinstance(answer, EngineFailure)
        assert answer.code in ("unreachable", "timeout")
        assert time.monotonic() < deadline, engine.supervisor.last_error
        await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


def environment_names(pid: int) -> set[bytes]:
    settings = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {item.partition(b"=")[0] for item in settings if item}


def test_a_killed_opa_comes_back() -> None:
    async def scenario(engine: SupervisedOpa) -> None:
        for restarts in (1, 2, 3):
            pid = engine.supervisor.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0)
            await until_back(engine, 10)
            if engine.supervisor.pid == pid:  # answered before the kill took hold
                await asyncio.sleep(0.2)
                await until_back(engine, 10)
            assert engine.supervisor.restarts == restarts
            assert "OPA ended: signal 9" in (engine.supervisor.last_error or "")
            assert not is_alive(pid)

    supervise(scenario)


def test_a_kill_in_the_middle_of_a_batch_keeps_what_has_no_answer() -> None:
    async def scenario(engine: SupervisedOpa) -> None:
        asked = [drop(f"worker-{n}") for n in range(1000)]
        question = asyncio.create_task(engine.evaluate(SENDER, [], asked))
        await asyncio.sleep(0.02)
        os.kill(engine.supervisor.pid or 0, signal.SIGKILL)
        answers = await question
        assert len(answers) == 1000
        assert all(item == PERMIT or item == EngineFailure("unreachable") for item in answers)
        await until_back(engine, 10)

    supervise(scenario)


def test_a_stopped_opa_is_replaced() -> None:
    limits = SupervisionLimits(
        probe_every_seconds=0.3, engine=EngineLimits(deadline_seconds=1.0, health_seconds=0.5)
    )

    async def scenario(engine: SupervisedOpa) -> None:
        pid = engine.supervisor.pid or 0
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        answers = await engine.evaluate(SENDER, [], [drop(f"n{n}") for n in range(100)])
        assert time.monotonic() - started < 1.0 + SLACK_SECONDS
        assert set(answers) == {EngineFailure("timeout")}
        await until_back(engine, 15)
        assert engine.supervisor.pid != pid
        assert not is_alive(pid)
        assert "health probes" in (engine.supervisor.last_error or "")

    supervise(scenario, limits)


def test_a_looping_policy_costs_its_own_class_only() -> None:
    async def scenario(engine: SupervisedOpa) -> None:
        names = [f"a{n}" for n in range(200)] + ["loop"] + [f"b{n}" for n in range(99)]
        started = time.monotonic()
        answers = await engine.evaluate(SENDER, [], [drop(name) for name in names])
        assert time.monotonic() - started < 4.0 + SLACK_SECONDS
        assert answers == [PERMIT] * 200 + [EngineFailure("timeout")] + [PERMIT] * 99
        assert engine.supervisor.restarts == 0
        await until_back(engine, 1)

    supervise(scenario, SupervisionLimits(engine=EngineLimits(deadline_seconds=4.0)))


def test_a_batch_of_loops_ends_at_the_deadline() -> None:
    async def scenario(engine: SupervisedOpa) -> None:
        started = time.monotonic()
        asked = [
            project(
                DECLARATION, SENDER, {"process.executable.name": "loop"}, "drop", profile=f"{n}"
            )
            for n in range(100)
        ]
        answers = await engine.evaluate(SENDER, [], asked)
        assert time.monotonic() - started < 2.0 + SLACK_SECONDS
        assert set(answers) == {EngineFailure("timeout")}
        await until_back(engine, 10)

    supervise(scenario)


def test_a_policy_that_bursts_the_memory_is_kept_and_opa_comes_back() -> None:
    limits = SupervisionLimits(
        engine=EngineLimits(deadline_seconds=20.0),  # so that memory is what ends it
        process=ProcessLimits(soft_memory_bytes=220 * 2**20, memory_bytes=256 * 2**20),
    )

    async def scenario(engine: SupervisedOpa) -> None:
        [answer] = await engine.evaluate(SENDER, [], [drop("burst")])
        assert answer == EngineFailure("unreachable"), "the memory limit did not end OPA"
        await until_back(engine, 15)
        assert engine.supervisor.restarts >= 1
        assert "memory" in (engine.supervisor.last_error or "")

    supervise(scenario, limits, BURST)


def test_opa_admits_only_the_question_and_the_probe() -> None:
    async def scenario(engine: SupervisedOpa) -> None:
        running = engine.supervisor.engine
        assert running is not None
        address = engine.supervisor.address
        assert address is not None
        url = f"http://{address.host}:{address.port}"
        right = {"Authorization": f"Bearer {address.token}"}
        wrong = {"Authorization": "Bearer guess"}
        async with aiohttp.ClientSession() as session:
            for method, path, headers, status in (
                ("GET", "/health", right, 200),
                ("GET", "/health", wrong, 401),
                ("GET", "/health", {}, 401),
                ("POST", "/v1/data/main/verdicts", wrong, 401),
                ("POST", "/v1/data/main/verdicts", right, 200),
                ("PUT", "/v1/policies/more", right, 401),
                ("PUT", "/v1/data/data/pci", right, 401),
                ("GET", "/v1/data", right, 401),
                ("POST", "/v1/query", right, 401),
                ("GET", "/v1/config", right, 401),
                ("GET", "/metrics", right, 401),
            ):
                async with session.request(method, url + path, headers=headers) as response:
                    assert response.status == status, (method, path, headers is right)

    supervise(scenario)


def test_a_taken_port_is_left_to_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = processes._free_port

    async def over() -> None:
        server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        ports = [server.sockets[0].getsockname()[1]]
        monkeypatch.setattr(processes, "_free_port", lambda: ports.pop() if ports else free_port())
        engine = SupervisedOpa(small_bundle(), real_opa())
        try:
            await engine.start()
            await until_back(engine, 1)
        finally:
            await engine.aclose()
            server.close()
            await server.wait_closed()

    asyncio.run(over())


@pytest.mark.parametrize(
    ("rego", "words"),
    [(b"package main\n\nverdicts := x\n", "unsafe"), (b"package other\n", "root")],
)
def test_a_bundle_that_opa_refuses_is_said_in_its_words(
    rego: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = SupervisedOpa(small_bundle(rego), real_opa())
    with pytest.raises(EngineError, match=words):
        asyncio.run(engine.start())
    assert list(tmp_path.iterdir()) == []


def test_an_absent_program_is_named(tmp_path: Path) -> None:
    engine = SupervisedOpa(small_bundle(), tmp_path / "opa")
    with pytest.raises(EngineError, match="cannot be started: No such file"):
        asyncio.run(engine.start())


def test_closing_leaves_neither_process_nor_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pids: list[int] = []

    async def scenario(engine: SupervisedOpa) -> None:
        pids.append(engine.supervisor.pid or 0)
        assert os.listdir(tmp_path) == []  # not even while it runs
        assert environment_names(pids[0]) == {b"GOGC", b"GOMEMLIMIT"}

    supervise(scenario)
    assert not is_alive(pids[0])
    assert list(tmp_path.iterdir()) == []


def test_opa_dies_with_a_gateway_that_is_killed(tmp_path: Path) -> None:
    program = """
import asyncio
from tests.fakes.bundles import real_opa, small_bundle
from gateway.engine.supervisor import SupervisedOpa

async def main():
    engine = SupervisedOpa(small_bundle(), real_opa())
    await engine.start()
    print(engine.supervisor.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=root,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        assert is_alive(pid)
        gateway.kill()
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
