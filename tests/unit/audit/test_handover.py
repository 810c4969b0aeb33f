"""The log's key handed over in the middle: who signs what, and what stands after each mishap."""

import asyncio
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway import canonical
from gateway.audit.errors import EntryRefusedError, LogBrokenError
from gateway.audit.groups import Group
from gateway.audit.payloads import PayloadVault
from gateway.audit.port import Draft
from gateway.audit.sequencer import Sequencer
from gateway.audit.sql_log import SqlLog
from gateway.clock import SystemClock
from gateway.errors import ConfigError, LogUnavailableError
from gateway.storage import log_store
from gateway.storage.engine import Connection, Engine, StorageError, read_transaction
from gateway.storage.log_store import EntryRow
from gateway.transparency.checkpoint import open_checkpoint, sign_checkpoint
from gateway.transparency.keys import is_signed
from gateway.transparency.notes import Signer, Verifier
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Verdict
from gateway.transparency.verify import verify_log
from tests.fakes.failing_sql import tampering
from tests.fakes.keys import MemoryKeyService
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import NEVER_SECONDS, NEXT, SIGNER, THIRD, note, open_engine, record


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


async def opened(engine: Engine, signer: Signer = SIGNER, then: Signer | None = NEXT) -> SqlLog:
    return await SqlLog.open(
        engine,
        ORIGIN,
        signer,
        MemoryKeyService(),
        SystemClock(),
        ACTOR,
        checkpoint_interval_seconds=NEVER_SECONDS,
        next_signer=then,
    )


def handover(old: Signer, new: Signer, prior: int | None) -> Draft:
    body: dict[str, canonical.Value] = {
        "id": "c1",
        "new": new.vkey,
        "old": old.vkey,
        "prior": prior,
    }
    return Draft("key.handed-over", ACTOR, canonical.encode(body))


def notes(engine: Engine) -> dict[int, str]:
    with read_transaction(engine) as connection:
        return {size: note for size, _, note in log_store.read_checkpoints(connection, ORIGIN)}


def verdict(engine: Engine, key: Verifier) -> Verdict:
    source = SqliteSource(Path(str(engine.url.database)))
    try:
        newest = notes(engine)[max(notes(engine))]
        signer = next(one for one in (THIRD, NEXT, SIGNER) if is_signed(newest, one.verifier))
        return verify_log(source, ORIGIN, key, [open_checkpoint(newest, signer.verifier)])
    finally:
        source.close()


async def hand_over(engine: Engine) -> int:
    """Entries before, the hand-over, entries after, a restart; its seq."""
    log = await opened(engine)
    await log.append([note("before")])
    (place,) = await log.append([handover(SIGNER, NEXT, None)], after=-1)
    assert open_checkpoint(log.checkpoint() or "", NEXT.verifier).size == place.seq + 1
    await log.append([note("after")])
    await log.aclose()
    return place.seq


def test_the_old_key_signs_up_to_the_hand_over_and_the_new_one_after(engine: Engine) -> None:
    seq = asyncio.run(hand_over(engine))
    for size, text in notes(engine).items():
        assert is_signed(text, SIGNER.verifier) == (size <= seq + 1)
        assert is_signed(text, NEXT.verifier) == (size >= seq + 1)
    assert max(notes(engine)) == seq + 2


@pytest.mark.parametrize("key", [SIGNER, NEXT], ids=["old", "new"])
def test_the_log_verifies_by_either_key(engine: Engine, key: Signer) -> None:
    asyncio.run(hand_over(engine))
    found = verdict(engine, key.verifier)
    assert (found.word, found.exit_code) == ("OK", 0), found.sentence


def test_the_log_goes_on_with_the_new_key_alone(engine: Engine) -> None:
    async def main() -> None:
        await hand_over(engine)
        log = await opened(engine, NEXT, None)
        await log.append([record("change.staged", 2)], after=2)
        assert [key.vkey for key in log.verifiers()] == [SIGNER.vkey, NEXT.vkey]
        log.verify_in_background().join()
        assert log.health() is None
        assert [entry.type for entry in await log.journal()] == ["key.handed-over", "change.staged"]
        await log.aclose()
        assert verdict(engine, SIGNER.verifier).word == "OK"

    asyncio.run(main())


def test_the_old_key_alone_is_refused_after_it(engine: Engine) -> None:
    async def main() -> None:
        await hand_over(engine)
        with pytest.raises(ConfigError, match="turn of"):
            await opened(engine, SIGNER, None)

    asyncio.run(main())


def test_a_second_hand_over_follows_the_first(engine: Engine) -> None:
    async def main() -> None:
        await hand_over(engine)
        log = await opened(engine, NEXT, THIRD)
        await log.append([handover(NEXT, THIRD, 2)], after=2)
        await log.append([note("third")])
        await log.aclose()
        for key in (SIGNER, NEXT, THIRD):
            assert verdict(engine, key.verifier).word == "OK"

    asyncio.run(main())


def test_a_key_that_is_not_held_is_refused_and_nothing_stands(engine: Engine) -> None:
    async def main() -> None:
        log = await opened(engine)
        for new in (THIRD, SIGNER):
            with pytest.raises(EntryRefusedError):
                await log.append([handover(SIGNER, new, None)], after=-1)
        await log.append([note("goes on")])
        await log.aclose()
        assert [seq for seq in notes(engine) if seq > 2] == []

    asyncio.run(main())


@pytest.mark.parametrize("old", [THIRD, Signer("example.org/other", SIGNER._key)])
def test_a_hand_over_from_another_key_than_signs_is_refused(engine: Engine, old: Signer) -> None:
    async def main() -> None:
        log = await opened(engine)
        with pytest.raises(EntryRefusedError, match="turn"):
            await log.append([handover(old, NEXT, None)], after=-1)
        await log.append([note("goes on")])
        await log.aclose()
        assert verdict(engine, SIGNER.verifier).word == "OK"

    asyncio.run(main())


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_each_part_of_a_batch_is_told_what_became_of_it(
    engine: Engine, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the hand-over, the hand-over, after it: three transactions, of which one fails."""
    vault = PayloadVault(engine, ORIGIN, MemoryKeyService(), os.urandom)
    sequencer = Sequencer(engine, (SIGNER, NEXT), vault, SystemClock(), ACTOR)
    sequencer.start()
    inserted, insert = itertools.count(), log_store.insert_entries

    def insert_some(connection: Connection, log: str, rows: Sequence[EntryRow]) -> None:
        if next(inserted) == failing:
            raise StorageError("planted")
        insert(connection, log, rows)

    monkeypatch.setattr(log_store, "insert_entries", insert_some)
    groups = [
        Group([note("a")]),
        Group([note("b")]),
        Group([handover(SIGNER, NEXT, None)], after=-1),
        Group([note("c")]),
    ]
    outcomes = sequencer.commit(groups)
    part_of = (0, 0, 1, 2)
    assert [isinstance(outcome, list) for outcome in outcomes] == [
        part != failing for part in part_of
    ]
    told = [place.leaf_hash for part in outcomes if isinstance(part, list) for place in part]
    assert read_leaves(engine)[1:] == told
    assert (sequencer.failure is not None) == (failing == 2)
    sequencer.seal()
    assert sequencer.failure is None
    assert verdict(engine, SIGNER.verifier).word == "OK"


def read_leaves(engine: Engine) -> list[bytes]:
    """The first is that of `log.opened`."""
    with read_transaction(engine) as connection:
        return [row.leaf_hash for row in log_store.read_entries(connection, ORIGIN, 0)]


def test_nothing_comes_between_a_hand_over_and_its_checkpoint(engine: Engine) -> None:
    async def main() -> None:
        log = await opened(engine)
        with pytest.raises(EntryRefusedError):
            await log.append([handover(SIGNER, NEXT, None), note("after")], after=-1)
        await log.append([note("goes on")])
        await log.aclose()
        assert verdict(engine, SIGNER.verifier).word == "OK"

    asyncio.run(main())


def test_nothing_is_handed_over_beside_another_history(engine: Engine) -> None:
    async def main() -> None:
        log, other = await opened(engine), await opened(engine)
        await other.append([note("of the other")])
        await other.aclose()
        size = max(notes(engine))
        forged = sign_checkpoint(size, bytes(32), SIGNER)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE checkpoints SET root = ?, note = ? WHERE size = ?",
                (forged.root, forged.note, size),
            )
        with pytest.raises(LogBrokenError, match="another root"):
            await log.append([handover(SIGNER, NEXT, None)], after=-1)
        await log.aclose()
        assert max(notes(engine)) == size

    asyncio.run(main())


def test_a_process_without_the_new_key_says_so_to_readers(engine: Engine) -> None:
    async def main() -> None:
        first, third = await opened(engine), await opened(engine, SIGNER, None)
        await first.append([handover(SIGNER, NEXT, None)], after=-1)
        with pytest.raises(LogUnavailableError, match="turn of"):
            await third.journal()
        for log in (first, third):
            await log.aclose()

    asyncio.run(main())


def test_another_process_follows_the_hand_over_or_stops(engine: Engine) -> None:
    async def main() -> None:
        first, second, third = (
            await opened(engine),
            await opened(engine),
            await opened(engine, SIGNER, None),
        )
        await first.append([handover(SIGNER, NEXT, None)], after=-1)
        await second.append([note("of the second")])
        with pytest.raises(LogUnavailableError, match="does not hold"):
            await third.append([note("of the third")])
        for log in (first, second, third):
            await log.aclose()
        assert verdict(engine, SIGNER.verifier).word == "OK"

    asyncio.run(main())


def test_a_hand_over_without_its_checkpoint_is_no_hand_over(engine: Engine) -> None:
    async def main() -> None:
        seq = await hand_over(engine)
        with tampering(engine) as execute:
            execute(f"DELETE FROM checkpoints WHERE size = {seq + 1}")
        assert verdict(engine, SIGNER.verifier).exit_code != 0

    asyncio.run(main())


def test_old_checkpoints_signed_again_by_the_new_key_are_found(engine: Engine) -> None:
    async def main() -> None:
        log = await opened(engine)
        for number in range(3):
            await log.append([note(f"n{number}")])
        await log.aclose()
        await hand_over_again(engine)
        size = min(notes(engine))
        old = open_checkpoint(notes(engine)[size], SIGNER.verifier)
        resealed = sign_checkpoint(size, old.root, NEXT).note
        with tampering(engine) as execute:
            execute(f"UPDATE checkpoints SET note = '{resealed}' WHERE size = {size}")
        assert verdict(engine, SIGNER.verifier).word == "TAMPERED"

    asyncio.run(main())


async def hand_over_again(engine: Engine) -> None:
    log = await opened(engine)
    await log.append([handover(SIGNER, NEXT, None)], after=-1)
    await log.append([note("x")])
    await log.aclose()


def test_a_forged_hand_over_row_does_not_start(engine: Engine) -> None:
    async def main() -> None:
        log = await opened(engine)
        await log.append([note("x")])
        await log.aclose()
        with tampering(engine) as execute:
            execute(
                f"INSERT INTO journal (log, seq, type) VALUES ('{ORIGIN}', 1, 'key.handed-over')"
            )
        with pytest.raises((LogBrokenError, ConfigError)):
            await opened(engine)

    asyncio.run(main())


def test_nothing_is_signed_while_something_holds_it(engine: Engine) -> None:
    async def main() -> None:
        log = await opened(engine)
        reasons: list[str | None] = ["a witness has seen more"]
        log.hold_signing(lambda: reasons[0])
        before = log.checkpoint()
        await log.append([note("x")])
        await log.aclose()
        assert log.checkpoint() == before
        assert "a witness has seen more" in (log.health() or "")

    asyncio.run(main())


def test_an_inquiry_that_raises_stops_the_start_before_anything_is_written(engine: Engine) -> None:
    async def main() -> None:
        log = await opened(engine)
        await log.append([note("x")])
        await log.aclose()
        before = notes(engine)
        asked: list[int] = []

        def inquire(size: int, _proofs: object, newest: str | None) -> None:
            asked.append(size)
            assert newest == before[max(before)]
            raise LogBrokenError("others have seen more")

        with pytest.raises(LogBrokenError, match="others"):
            await SqlLog.open(
                engine, ORIGIN, SIGNER, MemoryKeyService(), SystemClock(), ACTOR, inquire=inquire
            )
        assert asked == [2]
        assert notes(engine) == before

    asyncio.run(main())
