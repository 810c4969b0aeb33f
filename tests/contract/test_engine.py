"""What every engine promises, over the fake, the real supervised OPA, and a real OPA over mTLS."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest

from gateway.engine.port import Engine, EngineFailure, RuleVerdict
from gateway.engine.process import POLICIES_NAME
from gateway.engine.remote import RemoteOpa
from gateway.engine.supervisor import SupervisedOpa
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, project
from tests.fakes.bundles import real_opa, small_bundle
from tests.fakes.engine import FakeEngine
from tests.fakes.remote_opa import RemoteServer

SENDER = Sender("production", "eu-west-1", "central")
DECLARATION = ClassDeclaration(
    ("process.executable.name", "service.name"), (250, 500, 750, 900, 1000)
)
FAILURES = {
    "missing": "missing",
    "twice": "duplicate",
    "extra": "malformed",
    "builtin-error": "builtin_error",
    "conflict": "evaluation_error",
    "unknown-decision": "malformed",
}

Scenario = Callable[[Engine], Awaitable[None]]
Run = Callable[[Scenario], None]


def classes_of(names: Iterable[str], action: str = "drop") -> list[ProcessClass]:
    rate = 0.5 if action == "sample" else None
    return [
        project(DECLARATION, SENDER, {"process.executable.name": name}, action, rate)  # type: ignore[arg-type]
        for name in names
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteServer]:
    """An OPA of the user's, started once: its engines do not stop it."""
    folder = tmp_path_factory.mktemp("opa")
    (folder / POLICIES_NAME).write_bytes(small_bundle().archive)
    server = RemoteServer(folder, arguments=("--bundle", POLICIES_NAME))
    server.start()
    yield server
    server.kill()


async def make_engine(kind: str, request: pytest.FixtureRequest) -> Engine:
    """A started engine of this kind."""
    if kind == "remote":
        server: RemoteServer = request.getfixturevalue("server")
        remote = RemoteOpa([server.address], {POLICIES_NAME: small_bundle().revision})
        await remote.start()
        return remote
    supervised = SupervisedOpa(small_bundle(), real_opa())
    await supervised.start()
    return supervised


@pytest.fixture(
    params=[
        "fake",
        pytest.param("opa", marks=pytest.mark.opa),
        pytest.param("remote", marks=pytest.mark.opa),
    ]
)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a scenario over an engine that is started for it and closed after it."""

    async def over(scenario: Scenario) -> None:
        if request.param == "fake":
            answers: dict[str, RuleVerdict | EngineFailure] = {
                name: EngineFailure(code) for name, code in FAILURES.items()
            }
            await scenario(FakeEngine(answers=answers))
            return
        engine = await make_engine(request.param, request)
        try:
            await scenario(engine)
        finally:
            await engine.aclose()

    return lambda scenario: asyncio.run(over(scenario))


def test_answers_keep_their_positions(run: Run) -> None:
    async def scenario(engine: Engine) -> None:
        names = ["log-shipper", "payment-gateway-1", "backup-service", "payment-processor"]
        answers = await engine.evaluate(SENDER, ["trading-hours"], classes_of(names))
        kinds = [item.decision for item in answers if isinstance(item, RuleVerdict)]
        assert kinds == ["permit", "protect", "permit", "protect"]

    run(scenario)


def test_a_permit_repeats_the_proposal(run: Run) -> None:
    async def scenario(engine: Engine) -> None:
        [answer] = await engine.evaluate(SENDER, [], classes_of(["log-shipper"], "sample"))
        assert answer == RuleVerdict("permit", "sample", 500)

    run(scenario)


def test_reasons_and_obligations_arrive(run: Run) -> None:
    async def scenario(engine: Engine) -> None:
        [answer] = await engine.evaluate(SENDER, [], classes_of(["payment-gateway-1"]))
        assert isinstance(answer, RuleVerdict)
        assert (answer.action, answer.sample_permille) == ("keep", 1000)
        assert answer.reasons[0].control == "PCI-DSS-4.0.1/10.2.1"
        assert {"type": "no_sampling"} in answer.obligations

    run(scenario)


def test_nothing_asked_is_nothing_answered(run: Run) -> None:
    async def scenario(engine: Engine) -> None:
        assert await engine.evaluate(SENDER, [], []) == []

    run(scenario)


def test_a_thousand_classes(run: Run) -> None:
    async def scenario(engine: Engine) -> None:
        names = [f"{'payment' if n % 3 == 0 else 'worker'}-{n}" for n in range(1000)]
        answers = await engine.evaluate(SENDER, [], classes_of(names))
        decisions = [getattr(item, "decision", item) for item in answers]
        assert decisions == ["permit" if n % 3 else "protect" for n in range(1000)]

    run(scenario)


def test_only_the_class_at_fault_fails(run: Run) -> None:
    async def scenario(engine: Engine) -> None:
        for name, code in FAILURES.items():
            names = ["log-shipper", "payment-gateway-1", name, "backup-service"]
            found = await engine.evaluate(SENDER, [], classes_of(names))
            assert found[2] == EngineFailure(code), name
            assert not any(isinstance(found[at], EngineFailure) for at in (0, 1, 3)), name

    run(scenario)


def test_a_batch_equals_its_singles(run: Run) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)

    async def scenario(engine: Engine) -> None:
        kinds = ["payment-a", "worker-b", "worker-c", *FAILURES]
        for _ in range(4):
            names = [chance.choice(kinds) for _ in range(chance.randrange(1, 60))]
            asked = classes_of(names)
            together = await engine.evaluate(SENDER, ["w"], asked)
            alone = [(await engine.evaluate(SENDER, ["w"], [item]))[0] for item in asked]
            assert together == alone, f"seed {seed}: {names}"

    run(scenario)


def test_a_verdict_for_a_ref_that_was_made_up_reaches_nobody(run: Run) -> None:
    """`extra` also answers for the ref "1", whose own class gets no answer at all."""

    async def scenario(engine: Engine) -> None:
        answers = await engine.evaluate(SENDER, [], classes_of(["extra", "missing"]))
        assert answers == [EngineFailure("malformed"), EngineFailure("missing")]

    run(scenario)


def test_a_closed_engine_answers_with_failures(run: Run) -> None:
    async def scenario(engine: Engine) -> None:
        assert await engine.health() is None
        await engine.aclose()
        assert await engine.health() is not None
        [answer] = await engine.evaluate(SENDER, [], classes_of(["log-shipper"]))
        assert answer == EngineFailure("unreachable")
        if isinstance(engine, FakeEngine):
            engine.closed = False

    run(scenario)
