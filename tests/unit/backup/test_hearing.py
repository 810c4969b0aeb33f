"""Nothing is signed until a collector has shown what it kept, or nobody came."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.sql_log import SqlLog
from gateway.backup.hearing import MAX_HEADER_CHARACTERS, Hearing
from gateway.clock import ManualClock, SystemClock
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.notes import Signer
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log

COLLECTOR = "spiffe://example.org/collector/production/eu-west-1/c1"
SECONDS = 15.0


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A log of 6 signed entries and 3 that are not."""
    made = open_engine(tmp_path_factory.mktemp("log") / "log.db")

    async def write() -> None:
        log = await open_log(made)
        await log.append([note(f"{number}") for number in range(5)])
        await log.aclose()
        log = await held_log(made, Hearing(ORIGIN, SECONDS, ManualClock()))
        await log.append([note(f"unsigned {number}") for number in range(3)])
        await log.aclose()

    asyncio.run(write())
    yield made
    made.dispose()


async def held_log(engine: Engine, hearing: Hearing) -> SqlLog:
    log = await SqlLog.open(
        engine, ORIGIN, SIGNER, MemoryKeyService(), SystemClock(), ACTOR,
        checkpoint_interval_seconds=0.01, is_waiting=hearing.is_waiting,
    )  # fmt: skip
    log.hold_signing(hearing.problem)
    return log


def shown(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def newest(engine: Engine) -> str:
    head = SqlSealedLog(engine, ORIGIN).head(6)
    assert head is not None
    return head.note


def hear(engine: Engine, value: str, clock: ManualClock | None = None) -> Hearing:
    hearing = Hearing(ORIGIN, SECONDS, clock or ManualClock())
    hearing.begin()
    asyncio.run(hearing.hear(COLLECTOR, value, engine, lambda: [SIGNER.verifier]))
    return hearing


def test_nothing_is_signed_before_it_listens_nor_while_it_waits(engine: Engine) -> None:
    assert SqlSealedLog(engine, ORIGIN).newest_size() == 6
    clock = ManualClock()
    hearing = Hearing(ORIGIN, SECONDS, clock)
    clock.advance(100)
    assert hearing.is_waiting()
    hearing.begin()
    assert hearing.is_waiting()
    clock.advance(SECONDS - 1)
    assert hearing.is_waiting()
    clock.advance(1)
    assert not hearing.is_waiting()
    assert hearing.problem() is None


def test_with_no_seconds_nobody_is_waited_for() -> None:
    assert not Hearing(ORIGIN, 0, ManualClock()).is_waiting()


def test_a_checkpoint_that_is_part_of_the_log_ends_it(engine: Engine) -> None:
    hearing = hear(engine, shown(newest(engine)))
    assert not hearing.is_waiting()
    assert hearing.problem() is None


def test_a_larger_one_stops_signing(engine: Engine) -> None:
    hearing = hear(engine, shown(sign_checkpoint(10, bytes(32), SIGNER).note))
    problem = hearing.problem()
    assert problem is not None
    assert problem.startswith(f"witnessed_ahead: {COLLECTOR} holds")
    assert "of 10 entries, here are 9" in problem


@pytest.mark.parametrize("size", [3, 6, 8])
def test_another_history_stops_signing(engine: Engine, size: int) -> None:
    hearing = hear(engine, shown(sign_checkpoint(size, bytes(32), SIGNER).note))
    problem = hearing.problem()
    assert problem is not None
    assert problem.startswith("fork_seen: ")


OTHER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x55" * 32))
NOTHING = {
    "of another key": shown(sign_checkpoint(10, bytes(32), OTHER).note),
    "no note": shown("hello"),
    "no base64": "§",
    "no text": base64.b64encode(b"\xff\xfe").decode(),
    "long": shown("x" * MAX_HEADER_CHARACTERS),
    "empty": "",
}


@pytest.mark.parametrize("case", NOTHING)
def test_what_proves_nothing_changes_nothing(engine: Engine, case: str) -> None:
    hearing = hear(engine, NOTHING[case])
    assert hearing.is_waiting()
    assert hearing.problem() is None


def test_signing_goes_on_by_itself_afterwards(tmp_path: Path) -> None:
    engine, clock = open_engine(tmp_path / "log.db"), ManualClock()
    hearing = Hearing(ORIGIN, SECONDS, clock)

    async def run() -> None:
        log = await held_log(engine, hearing)
        hearing.begin()
        await log.append([note("answered meanwhile")])
        await asyncio.sleep(0.1)
        assert log.checkpoint() is None
        assert log.health() is None  # it is no failure
        clock.advance(SECONDS)
        for _ in range(500):
            if log.checkpoint() is not None:
                break
            await asyncio.sleep(0.01)
        assert log.checkpoint() is not None
        await log.aclose()

    asyncio.run(run())
    engine.dispose()
