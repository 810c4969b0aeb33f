"""Before a start: what witnesses, the newest backup and a succession in the database say."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.audit.errors import LogBrokenError
from gateway.audit.proofs import ProofReader
from gateway.backup.taking import take_backup
from gateway.clock import ManualClock, SystemClock
from gateway.configuration import BackupConfig, GatewayConfig, WitnessesConfig
from gateway.errors import LogUnavailableError
from gateway.inquiring import ask_outside, inquiry_of
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine, read_transaction
from tests.fakes.backups import NOW_US, REGION, settle_in
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log
from tests.fakes.witnesses import make_cosigner

HELD = [SIGNER.verifier]
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A log of 6 signed entries."""
    made = open_engine(tmp_path / "log.db")
    grow(made, 5)
    yield made
    made.dispose()


def grow(engine: Engine, count: int) -> None:
    async def write() -> None:
        log = await open_log(engine)
        await log.append([note(f"{number}") for number in range(count)])
        await log.aclose()

    asyncio.run(write())


def settle(folder: Path, *witnesses: str) -> GatewayConfig:
    config, _ = settle_in(folder)
    if not witnesses:
        return config
    lines = []
    for at, name in enumerate(witnesses, start=1):
        vkey = make_cosigner(at, f"witness.example/{name}").verifier.vkey
        lines.append(f"witness {name} {vkey} http://127.0.0.1/{name}\n")
    (folder / "policy").write_text("".join([*lines, f"quorum {witnesses[0]}\n"]))
    return msgspec.structs.replace(config, witnesses=WitnessesConfig(folder / "policy"))


def network(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    monkeypatch.setattr(
        "gateway.inquiring.open_witness_http",
        lambda *_: httpx.AsyncClient(transport=httpx.MockTransport(answer)),
    )


def inquire(config: GatewayConfig, engine: Engine) -> None:
    """As a start does."""
    ask = asyncio.run(inquiry_of(config, engine, HELD, SystemClock(), seconds=0))
    with read_transaction(engine) as connection:
        ask(6, ProofReader(connection, ORIGIN), SqlSealedLog(engine, ORIGIN).keys()[0].vkey)


def conflict(size: int) -> Answer:
    return lambda _: httpx.Response(409, text=f"{size}\n")


def test_a_witness_that_has_seen_more(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(monkeypatch, conflict(9))
    with pytest.raises(LogBrokenError, match="6 entries here and witness w1 has seen 9"):
        inquire(settle(tmp_path, "w1"), engine)


def test_a_witness_that_has_seen_another_tree(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(monkeypatch, conflict(6))
    with pytest.raises(LogBrokenError, match="FORK: witness w1"):
        inquire(settle(tmp_path, "w1"), engine)


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_witness_that_has_seen_nothing_else(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    network(monkeypatch, lambda _: httpx.Response(status))
    inquire(settle(tmp_path, "w1"), engine)


def test_a_witness_that_is_behind_is_fine(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(monkeypatch, conflict(4))
    inquire(settle(tmp_path, "w1"), engine)


def refuse(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize("answer", [refuse, lambda _: httpx.Response(503)])
def test_no_witness_answers(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    network(monkeypatch, answer)
    with pytest.raises(LogUnavailableError, match="nobody could be asked"):
        inquire(settle(tmp_path, "w1"), engine)


def test_one_of_two_answers(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return refuse(request) if "w2" in request.url.path else httpx.Response(200)

    network(monkeypatch, answer)
    config = settle(tmp_path, "w1", "w2")
    inquire(config, engine)
    told = asyncio.run(ask_outside(config, engine, HELD, SystemClock(), seconds=0))
    assert told.heard == 1
    assert told.silent == ["witness w2: ConnectError"]


def test_who_does_not_answer_is_asked_again(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return refuse(request) if len(asked) < 3 else httpx.Response(409, text="9\n")

    clock = ManualClock()

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    network(monkeypatch, answer)
    told = asyncio.run(
        ask_outside(settle(tmp_path, "w1"), engine, HELD, clock, seconds=30, sleep=sleep)
    )
    assert (len(asked), told.heard, told.silent) == (3, 1, [])
    assert [one.size for one in told.sightings] == [9]


def test_a_newer_backup_than_the_database(engine: Engine, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    config = msgspec.structs.replace(
        settle(tmp_path), backup=BackupConfig(tmp_path / "backups", REGION)
    )
    take_backup(url, HELD, tmp_path / "backups", REGION, NOW_US)
    inquire(config, engine)
    grow(engine, 5)
    take_backup(url, HELD, tmp_path / "backups", REGION, NOW_US + 1_000_000)
    old = open_engine(tmp_path / "old.db")
    grow(old, 1)  # of the same key, with fewer entries
    with pytest.raises(LogBrokenError, match="has seen 11"):
        inquire(config, old)
    old.dispose()


def test_nothing_is_asked_where_nothing_is_configured(engine: Engine, tmp_path: Path) -> None:
    inquire(settle(tmp_path), engine)
