"""The transaction of a hand-over fails at each of its writes, or persists and is reported failed:
the log goes on with whichever key the database says, and verifies by either."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit.port import Draft
from gateway.audit.sql_log import SqlLog
from gateway.clock import SystemClock
from gateway.errors import LogUnavailableError
from gateway.storage import log_store
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.checkpoint import open_checkpoint_by_any
from gateway.transparency.entry import parse_entry
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verify import verify_log
from tests.fakes.failing_sql import copy_as_killed, failing
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import NEVER_SECONDS, NEXT, SIGNER, note, open_engine, stored_entries

FAULTS = [
    ("INSERT INTO entries", False),
    ("INSERT INTO journal", False),
    ("INSERT INTO checkpoints", False),
    ("COMMIT", False),
    ("COMMIT", True),  # and reported failed
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


async def opened(engine: Engine) -> SqlLog:
    return await SqlLog.open(
        engine,
        ORIGIN,
        SIGNER,
        MemoryKeyService(),
        SystemClock(),
        ACTOR,
        checkpoint_interval_seconds=NEVER_SECONDS,
        next_signer=NEXT,
    )


def handover() -> Draft:
    body = {"id": "c1", "new": NEXT.vkey, "old": SIGNER.vkey, "prior": None}
    return Draft("key.handed-over", ACTOR, canonical.encode(dict(body)))


def verify_both(engine: Engine, path: Path) -> None:
    with read_transaction(engine) as connection:
        row = log_store.read_last_checkpoint(connection, ORIGIN)
    assert row is not None
    anchor = open_checkpoint_by_any(row.note, (NEXT.verifier, SIGNER.verifier))
    for key in (SIGNER, NEXT) if is_handed_over(engine) else (SIGNER,):
        source = SqliteSource(path)
        verdict = verify_log(source, ORIGIN, key.verifier, [anchor])
        source.close()
        assert verdict.exit_code == 0, verdict.sentence


def is_handed_over(engine: Engine) -> bool:
    return any(parse_entry(data).type == "key.handed-over" for data in stored_entries(engine))


@pytest.mark.parametrize(("write", "persisted"), FAULTS)
def test_a_hand_over_that_fails_is_whole_or_not_there(
    engine: Engine, tmp_path: Path, write: str, persisted: bool
) -> None:
    async def main() -> None:
        log = await opened(engine)
        await log.append([note("before")])
        with failing(engine, write, persisted) as hits:
            with pytest.raises(LogUnavailableError):
                await log.append([handover()], after=-1)
            assert hits
        assert is_handed_over(engine) == persisted
        killed = open_engine(copy_as_killed(tmp_path / "log.db", tmp_path / "killed.db"))
        await log.append([note("goes on")])  # with the key whose turn the database says
        await log.aclose()
        verify_both(engine, tmp_path / "log.db")
        again = await opened(killed)
        await again.append([note("after the kill")])
        await again.aclose()
        verify_both(killed, tmp_path / "killed.db")
        killed.dispose()

    asyncio.run(main())
