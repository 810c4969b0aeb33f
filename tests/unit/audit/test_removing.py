"""What a removal may take, that it takes it with its entry or not at all, and that nobody who comes
to know of it later thinks the log broken."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway import canonical
from gateway.audit.errors import EntryRefusedError, LogBrokenError, MovedError
from gateway.audit.groups import Group
from gateway.audit.port import Draft, Removal
from gateway.audit.sql_log import SqlLog
from gateway.clock import ManualClock
from gateway.errors import LogUnavailableError
from gateway.recorded.port import Absences
from gateway.storage.engine import Engine, read_transaction
from gateway.storage.recorded_store import SqlRecordedEntries
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.merkle import verify_inclusion
from gateway.transparency.verdict import Word
from tests.fakes.failing_sql import failing, tampering
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.removals import carry_out, named_by, remove
from tests.fakes.sql_logs import (
    SIGNER,
    note,
    open_engine,
    open_log,
    payload,
    record,
    stored_entries,
    verify,
)

A, B = ("a" * 48, "b" * 48)
FIRST_TILE = Removal(first=0, last=255)
DELETES = ("DELETE FROM payload_keys", "DELETE FROM payloads", "COMMIT")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db")
    yield made
    made.dispose()


def count(engine: Engine, table: str) -> int:
    with read_transaction(engine) as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() or 0)


async def reopened(log: SqlLog, engine: Engine) -> SqlLog:
    """What was appended is signed then."""
    await log.aclose()
    return await open_log(engine, clock=ManualClock())


async def grown(engine: Engine, entries: int) -> SqlLog:
    """A signed log with payloads and journal entries in its first tile."""
    log = await open_log(engine, clock=ManualClock())
    await log.append([note("a")], [payload(A), payload(B)])
    await log.append([record("change.tested", None)], after=-1)
    await log.append([note(f"n-{at}") for at in range(entries)])
    return await reopened(log, engine)


UNLAWFUL = {
    "in use": Removal(month_keys=(f"{ORIGIN}/eu-west-1/standard/2026-01",)),
    "another log": Removal(month_keys=("example.org/other/eu-west-1/standard/2020-01",)),
    "whole tiles": Removal(first=0, last=254),
    "not whole": Removal(first=1, last=256),
    "below the newest checkpoint": Removal(first=512, last=767),
    "are not whole tiles": Removal(first=512, last=255),
}


@pytest.mark.parametrize("why", UNLAWFUL)
def test_what_may_not_go_stays_and_leaves_no_entry(engine: Engine, why: str) -> None:
    async def main() -> None:
        log = await grown(engine, 600)
        size = len(stored_entries(engine))
        rows = count(engine, "payloads"), count(engine, "month_keys")
        with pytest.raises(EntryRefusedError, match=why):
            await carry_out(log, UNLAWFUL[why], "c1")
        assert log.health() is None
        await log.aclose()
        assert len(stored_entries(engine)) == size
        assert (count(engine, "payloads"), count(engine, "month_keys")) == rows

    asyncio.run(main())


def test_nothing_goes_without_an_entry_that_names_it(engine: Engine) -> None:
    async def main() -> None:
        log = await grown(engine, 600)
        prior = (await log.heads()).journal
        named = record("payloads.erased", prior)
        with pytest.raises(EntryRefusedError, match="name"):
            await log.append([named], after=prior, removal=Removal(class_ids=(A,)))
        with pytest.raises(EntryRefusedError, match="name"):
            await log.append([note("x")], removal=FIRST_TILE)
        with pytest.raises(MovedError):
            await log.append([named], after=prior - 1, removal=Removal(class_ids=(A,)))
        assert log.vault.open_payload(A)
        await log.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("write", DELETES)
def test_a_removal_that_fails_takes_nothing_and_says_nothing(engine: Engine, write: str) -> None:
    async def main() -> None:
        log = await grown(engine, 5)
        size = len(stored_entries(engine))
        with failing(engine, write), pytest.raises(LogUnavailableError):
            await carry_out(log, Removal(class_ids=(A,)), "c1")
        assert len(stored_entries(engine)) == size
        assert log.vault.open_payload(A)
        await remove(log, Removal(class_ids=(A,)))
        assert count(engine, "payloads") == 1
        await log.aclose()

    asyncio.run(main())


def test_a_removal_whose_commit_persisted_without_an_answer_is_known(engine: Engine) -> None:
    async def main() -> None:
        log = await grown(engine, 5)
        told: list[Removal] = []
        log.on_removal(told.append)
        with failing(engine, "COMMIT", persisted=True), pytest.raises(LogUnavailableError):
            await carry_out(log, Removal(class_ids=(A,)), "c1")
        await log.append([note("next")])
        assert told == [Removal(class_ids=(A,))]
        assert count(engine, "payloads") == 1
        await log.aclose()

    asyncio.run(main())


def test_purged_entries_leave_what_tells_a_purge_from_a_loss(engine: Engine) -> None:
    async def main() -> None:
        log = await grown(engine, 600)
        before = stored_entries(engine)
        root = open_checkpoint(log.checkpoint() or "", SIGNER.verifier).root
        await remove(log, FIRST_TILE)
        log = await reopened(log, engine)
        kept = {parse_entry(data).type for data in stored_entries(engine)[:4]}
        assert kept == {"log.opened", "key.created", "payloads.sealed", "change.tested"}
        left = [parse_entry(data).seq for data in stored_entries(engine)]
        assert left[4] == 256
        assert verify(engine).word is Word.UNANCHORED
        background = log.verify_in_background()
        await asyncio.to_thread(background.join)
        assert log.health() is None
        recorded = SqlRecordedEntries(engine, ORIGIN)
        assert recorded.absent(0, recorded.size()) == Absences(purged=252, missing=0)
        assert recorded.purged([3, 255, 256]) == {3, 255}
        size = len(before)
        for seq in (2, 100, 255, 256):  # proofs come from the tiles
            proof = await log.inclusion(seq, size)
            verify_inclusion(leaf_hash(before[seq]), seq, size, proof, root)
        await log.aclose()

    asyncio.run(main())


def test_a_process_that_was_behind_catches_up_over_a_purge(engine: Engine, tmp_path: Path) -> None:
    async def main() -> None:
        first = await open_log(engine, clock=ManualClock())
        other = open_engine(tmp_path / "log.db")
        behind = await open_log(other, clock=ManualClock())
        await first.append([note("a")], [payload(A)])
        await first.append([note(f"n-{at}") for at in range(700)])
        first = await reopened(first, engine)
        await remove(first, Removal(first=0, last=511))
        told: list[Removal] = []
        behind.on_removal(told.append)
        (place,) = await behind.append([note("late")])
        assert place.seq == len(stored_entries(engine)) + 509 - 1
        assert told == [Removal(first=0, last=511)]
        assert behind.health() is None
        await behind.aclose()
        await first.aclose()
        assert verify(engine).word is Word.UNANCHORED
        other.dispose()

    asyncio.run(main())


def test_a_process_that_was_behind_does_not_take_a_loss_for_a_purge(
    engine: Engine, tmp_path: Path
) -> None:
    async def main() -> None:
        first = await open_log(engine, clock=ManualClock())
        other = open_engine(tmp_path / "log.db")
        behind = await open_log(other, clock=ManualClock())
        await first.append([note(f"n-{at}") for at in range(700)])
        first = await reopened(first, engine)
        await remove(first, FIRST_TILE)
        await first.aclose()
        with tampering(engine) as execute:
            execute("DELETE FROM entries WHERE seq = 300")
        with pytest.raises(LogBrokenError, match="entry 300"):
            await behind.append([note("late")])
        await behind.aclose()
        other.dispose()

    asyncio.run(main())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 0",
        "DELETE FROM tiles WHERE level = 0 AND idx = 0",
        "DELETE FROM entries WHERE seq = 77",
        "UPDATE entries SET leaf_hash = zeroblob(32) WHERE seq = 77",
        "UPDATE count_marks SET next_seq = 100",
    ],
)
def test_entries_stay_where_their_hashes_would_be_lost(engine: Engine, statement: str) -> None:
    async def main() -> None:
        log = await grown(engine, 600)
        with tampering(engine) as execute:
            execute(statement)
        rows = count(engine, "entries")
        with pytest.raises(EntryRefusedError, match="nothing was removed"):
            await carry_out(log, FIRST_TILE, "c1")
        assert count(engine, "entries") == rows
        await log.aclose()

    asyncio.run(main())


def test_a_process_that_writes_nothing_hears_of_a_removal_by_the_journal_once(
    engine: Engine, tmp_path: Path
) -> None:
    async def main() -> None:
        log = await grown(engine, 5)
        other = open_engine(tmp_path / "log.db")
        idle = await open_log(other, clock=ManualClock())
        told: list[Removal] = []
        idle.on_removal(told.append)
        await remove(log, Removal(class_ids=(A,)))
        await idle.journal()
        assert told == [Removal(class_ids=(A,))]
        await idle.append([note("x")])
        await idle.journal()
        assert told == [Removal(class_ids=(A,))]
        await idle.aclose()
        await log.aclose()
        other.dispose()

    asyncio.run(main())


def test_a_listener_that_raises_stops_nothing_and_leaves_no_counts_behind(engine: Engine) -> None:
    def raises(removal: Removal) -> None:
        raise RuntimeError("the text of secret")

    async def main() -> None:
        log = await grown(engine, 5)
        told: list[Removal] = []
        log.on_removal(raises)
        log.on_removal(told.append)
        prior = (await log.heads()).journal
        kind, named = named_by(Removal(class_ids=(A,)))
        body = {**named, "id": "c1", "prior": prior}
        counted = Group([Draft("decisions", ACTOR, b'{"verdicts":[[1,0,5]]}')])
        removed = Group(
            [Draft(kind, ACTOR, canonical.encode(body))],
            after=prior,
            removal=Removal(class_ids=(A,)),
        )
        with capture_logs() as messages:
            outcomes = log._sequencer.commit([counted, removed])
        assert [type(outcome) for outcome in outcomes] == [list, list]
        assert told == [Removal(class_ids=(A,))]
        assert ["raises" in message["listener"] for message in messages] == [True]
        assert "secret" not in str(messages)
        assert [row[-1] for row in await log.daily_counts("2000-01-01", "2100-01-01")] == [5]
        await log.aclose()
        assert verify(engine).word is Word.UNANCHORED

    asyncio.run(main())


def test_a_removal_is_signed_at_once(engine: Engine) -> None:
    async def main() -> None:
        log = await grown(engine, 600)
        await remove(log, FIRST_TILE)
        background = log.verify_in_background()
        await asyncio.to_thread(background.join)
        assert background.verdict is not None
        assert background.verdict.exit_code == 3
        await log.aclose()

    asyncio.run(main())


def test_the_background_waits_until_a_removal_is_signed(engine: Engine) -> None:
    async def main() -> None:
        log = await grown(engine, 600)
        log.hold_signing(lambda: "a witness has seen more")
        await remove(log, FIRST_TILE)  # no checkpoint covers its entry
        background = log.verify_in_background()
        await asyncio.sleep(0.2)
        assert background.verdict is None
        assert "a witness has seen more" in (log.health() or "")
        await log.aclose()
        log = await open_log(engine, clock=ManualClock())
        background = log.verify_in_background()
        await asyncio.to_thread(background.join)
        assert background.verdict is not None
        assert background.verdict.exit_code == 3
        assert log.health() is None
        await log.aclose()

    asyncio.run(main())
