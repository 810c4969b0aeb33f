"""The connection is cut at each message of an append and of a checkpoint: before the server had it,
or after it was done and before anybody was told. No answered entry is lost, no place is given
twice, and the log goes on and verifies."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.audit.port import Appended
from gateway.audit.sql_log import SqlLog
from gateway.errors import LogUnavailableError
from gateway.storage.engine import Engine, open_database
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.verdict import Word
from tests.fakes.cutting_proxy import CuttingProxy
from tests.fakes.postgresql import PostgresServer, running_postgres
from tests.fakes.sql_logs import note, open_log, payload, stored_entries, verify

APPEND = (
    b"BEGIN ISOLATION LEVEL READ COMMITTED",
    b"SELECT seq, leaf_hash FROM entries",
    b"INSERT INTO month_keys",
    b'COPY "entries"',
    b"log.opened of no entry",  # no message at all: the control
    b'COPY "payloads"',
    b'COPY "payload_keys"',
    b"COMMIT\0",
)
SEAL = (
    b"BEGIN ISOLATION LEVEL READ COMMITTED",
    b"INSERT INTO count_marks",
    b"INSERT INTO checkpoints",
    b"COMMIT\0",
)
HARMLESS = {b"BEGIN ISOLATION LEVEL READ COMMITTED", b"log.opened of no entry"}
SEAL_SECONDS = 0.05


def name_of(marker: bytes) -> str:
    return marker.decode().strip("\0").split(" ")[-1].strip('"')


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        yield made


@pytest.fixture(scope="module")
def proxy(server: PostgresServer) -> Iterator[CuttingProxy]:
    made = CuttingProxy(server.port)
    yield made
    made.close()


@pytest.fixture
def engine(server: PostgresServer, proxy: CuttingProxy) -> Iterator[Engine]:
    made = open_database(server.url(server.new_database(), proxy.port), busy_timeout_seconds=2.0)
    yield made
    made.dispose()


def assert_stands(engine: Engine, answered: list[Appended]) -> None:
    stored = stored_entries(engine)
    assert [parse_entry(data).seq for data in stored] == list(range(len(stored)))
    for place in answered:
        assert leaf_hash(stored[place.seq]) == place.leaf_hash
    assert len({place.seq for place in answered}) == len(answered)
    verdict = verify(engine)
    assert verdict.word is Word.UNANCHORED, verdict.sentence


@pytest.mark.parametrize("is_after", [False, True], ids=["failed", "persisted"])
@pytest.mark.parametrize(
    "marker", APPEND, ids=lambda marker: marker.decode().strip("\0").split(" ")[-1]
)
def test_an_append_is_cut(
    engine: Engine, proxy: CuttingProxy, marker: bytes, is_after: bool
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        # With its month's key at hand an append is one transaction and no other.
        first = [] if marker == b"INSERT INTO month_keys" else [payload("0" * 48)]
        answered = await log.append([note("before")], first)
        payloads = [payload("1" * 48), payload("2" * 48)]
        with proxy.cutting(marker, after=is_after) as cut:
            try:
                answered += await log.append([note("cut"), note("cut, too")], payloads)
                was_answered = True
            except LogUnavailableError:
                was_answered = False
        assert cut.happened.is_set() is (marker != b"log.opened of no entry")
        # Nothing was asked yet when BEGIN is lost: the only message that is sent again.
        assert was_answered is (marker in HARMLESS)
        persisted = was_answered or (marker == b"COMMIT\0" and is_after)
        texts = b"".join(stored_entries(engine))
        assert (b"cut, too" in texts) is persisted
        answered += await log.append([note("after")], [payload("3" * 48)])
        assert log.health() is None
        assert log.vault.open_payload("3" * 48) == payload("3" * 48).plaintext
        await log.aclose()
        assert_stands(engine, answered)

    asyncio.run(main())


@pytest.mark.parametrize("is_after", [False, True], ids=["failed", "persisted"])
@pytest.mark.parametrize(
    "marker", SEAL, ids=lambda marker: marker.decode().strip("\0").split(" ")[-1]
)
def test_a_checkpoint_is_cut(
    engine: Engine, proxy: CuttingProxy, marker: bytes, is_after: bool
) -> None:
    async def main() -> None:
        log = await open_log(engine)
        answered = await log.append([note(f"{number}") for number in range(300)])
        await log.aclose()
        again = await open_log(engine, interval_seconds=SEAL_SECONDS)
        answered += await again.append([note("unsealed")])
        with proxy.cutting(marker, after=is_after) as cut:
            await until_sealed(again, answered, cut.happened.is_set)
        await again.aclose()
        assert_stands(engine, answered)
        reopened = await open_log(engine)
        answered += await reopened.append([note("after")])
        await reopened.aclose()
        assert_stands(engine, answered)

    asyncio.run(main())


async def until_sealed(log: SqlLog, answered: list[Appended], is_cut: object) -> None:
    """Append until a checkpoint was cut and another one covers everything."""
    assert callable(is_cut)
    for _ in range(400):
        await asyncio.sleep(SEAL_SECONDS / 2)
        if is_cut():
            break
        try:
            answered += await log.append([note("more")])
        except LogUnavailableError:
            continue
    assert is_cut()
    for _ in range(400):
        checkpoint = log.checkpoint()
        assert checkpoint is not None
        if log.health() is None and int(checkpoint.split("\n")[1]) > answered[-1].seq:
            return
        await asyncio.sleep(SEAL_SECONDS)
    raise AssertionError(log.health())
