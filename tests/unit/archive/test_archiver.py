"""The archiver: what it writes, that it may stop anywhere, and what others put in its way."""

import random
from pathlib import Path

import pytest

from gateway.archive.archiver import Archiver
from gateway.archive.errors import ArchiveError, LockError
from gateway.archive.folder import FolderStore
from gateway.archive.reading import StoreReader
from gateway.archive.writing import ArchiveTerms
from gateway.clock import ManualClock, format_time
from gateway.transparency.archive_source import ArchiveSource
from gateway.transparency.segments import SegmentPlace, checkpoint_name
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.object_store import MemoryStore
from tests.fakes.sealed_log import ORIGIN, GrowingLog

TERMS = ArchiveTerms("eu-west-1", 7, segment_entries=10)
CLOCK = ManualClock()
FAR_US = 4_000_000_000_000_000


def word(log: GrowingLog, store: MemoryStore, size: int | None = None) -> Word:
    """What an auditor finds in the archive alone, who knows an outside checkpoint."""
    source = ArchiveSource(StoreReader(store))
    anchor = log.checkpoint(size or log.newest_size())
    return verify_log(source, source.origin, log.signer.verifier, [anchor]).word


def log_of(*sizes: int) -> GrowingLog:
    """A log with checkpoints of these sizes."""
    log = GrowingLog()
    for size in sizes:
        log.grow(size - len(log.data)).seal()
    return log


def test_writes_what_was_signed_and_nothing_else() -> None:
    log = log_of(4, 9, 13).grow(5)
    store = MemoryStore()
    status = Archiver(log, store, TERMS, CLOCK).run_once()
    assert (status.archived, status.sealed, status.problems) == (13, 13, ())
    assert [name for name in store.writes if name.startswith("segments/")] == [
        SegmentPlace(0, 8).name,
        SegmentPlace(9, 12).name,
    ]
    assert word(log, store) is Word.OK


def test_a_second_run_writes_only_what_is_new() -> None:
    log, store = log_of(4), MemoryStore()
    archiver = Archiver(log, store, TERMS, CLOCK)
    archiver.run_once()
    assert archiver.run_once().written == ()
    log.grow(3).seal()
    assert archiver.run_once().written == (SegmentPlace(4, 6).name, checkpoint_name(7))
    assert Archiver(log, store, TERMS, CLOCK).run_once().written == ()
    assert word(log, store) is Word.OK


def test_a_checkpoint_gap_wider_than_a_segment_is_one_segment() -> None:
    log, store = log_of(3, 40), MemoryStore()
    assert Archiver(log, store, TERMS, CLOCK).run_once().archived == 40
    assert SegmentPlace(3, 39).name in store.writes


def test_a_segment_ends_where_witnesses_cosigned() -> None:
    log, store = log_of(4, 6, 9), MemoryStore()
    log.cosigned = {6}
    Archiver(log, store, TERMS, CLOCK).run_once()
    assert SegmentPlace(0, 5).name in store.writes


def test_every_object_is_kept_for_years_after_its_newest_entry() -> None:
    log, store = log_of(4), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    for name in store.writes:
        kept = store.retention(name)
        assert kept is not None
        assert kept.is_compliance
        assert format_time(kept.until_us) >= "2033-01-03T00:00:00"
    assert format_time(store.retention(SegmentPlace(0, 3).name).until_us) == (  # type: ignore[union-attr]
        "2033-01-03T00:00:00.000000Z"
    )


def test_a_store_that_locks_nothing_is_refused() -> None:
    log, store = log_of(4), MemoryStore()
    store.takes_locks = False
    with pytest.raises(LockError, match="Object Lock"):
        Archiver(log, store, TERMS, CLOCK).run_once()


@pytest.mark.parametrize("failing_at", range(5))
def test_a_run_that_failed_anywhere_is_finished_by_the_next(failing_at: int) -> None:
    log, store = log_of(4, 14), MemoryStore()
    store.writes_left = failing_at
    with pytest.raises(ArchiveError):
        Archiver(log, store, TERMS, CLOCK).run_once()
    store.writes_left = None
    assert Archiver(log, store, TERMS, CLOCK).run_once().archived == 14
    assert sorted(set(store.writes)) == sorted(store.writes)
    assert {checkpoint_name(4), checkpoint_name(14)} <= set(store.writes)
    assert word(log, store) is Word.OK


def test_nothing_is_archived_that_is_not_what_was_signed() -> None:
    log, store = log_of(4), MemoryStore()
    log.data[2] = log.data[2].replace(b'"n":2', b'"n":3')
    with pytest.raises(ArchiveError, match=r"entries 0 to 3 .* not what was signed"):
        Archiver(log, store, TERMS, CLOCK).run_once()
    assert store.held == []


def test_entries_that_are_gone_are_named() -> None:
    log, store = log_of(4), MemoryStore()
    del log.data[3]
    with pytest.raises(ArchiveError, match="entries 0 to 3"):
        Archiver(log, store, TERMS, CLOCK).run_once()


def test_a_new_archive_of_a_purged_log_begins_after_the_purge() -> None:
    log, store = log_of(4, 14), MemoryStore()
    log.whole_from = 4
    assert Archiver(log, store, TERMS, CLOCK).run_once().problems == ()
    source = ArchiveSource(StoreReader(store))
    assert source.start() == (4, log.heads[4].edge, log.heads[4].note)
    assert [row[0] for batch in source.entries() for row in batch] == list(range(4, 14))


def test_a_segment_that_was_lost_is_written_again() -> None:
    log, store = log_of(4, 14, 20), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    store.lose(SegmentPlace(4, 13).name)
    status = Archiver(log, store, TERMS, CLOCK).look()
    assert (status.archived, status.unbroken) == (20, 4)
    assert status.problems == ("entries 4 to 13 are not in the archive",)
    assert Archiver(log, store, TERMS, CLOCK).run_once().problems == ()
    assert word(log, store) is Word.OK


def test_what_a_purge_would_leave_alone_is_read(tmp_path: Path) -> None:
    log = log_of(8, 16, 24)
    store = FolderStore(tmp_path / "archive")
    archiver = Archiver(log, store, TERMS, CLOCK)
    assert archiver.run_once().unbroken == 24
    archiver.verify_held(2, 23)
    path = tmp_path / "archive" / SegmentPlace(8, 15).name
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert Archiver(log, store, TERMS, CLOCK).run_once().unbroken == 24  # by its name
    archiver.verify_held(0, 7)
    archiver.verify_held(16, 23)
    with pytest.raises(ArchiveError, match=r"0008-.*damaged"):
        archiver.verify_held(0, 23)
    path.unlink()
    with pytest.raises(ArchiveError, match="entry 8 is not"):
        archiver.verify_held(0, 23)
    with pytest.raises(ArchiveError, match="entry 24 is not"):
        archiver.verify_held(16, 24)


def test_the_oldest_segments_are_written_again_until_their_years_are_over() -> None:
    log, store = log_of(4, 14, 20), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    for place in (SegmentPlace(0, 3), SegmentPlace(4, 13)):
        store.lose(place.name)
    later = ManualClock(CLOCK.wall_us + 8 * 366 * 86_400_000_000)
    assert Archiver(log, store, TERMS, later).run_once().problems == ()
    assert SegmentPlace(0, 3).name not in {held.version.name for held in store.held}
    assert Archiver(log, store, TERMS, CLOCK).look().problems == (
        "entries 0 to 13 are not in the archive",
    )
    assert Archiver(log, store, TERMS, CLOCK).run_once().problems == ()
    assert word(log, store) is Word.OK


def test_a_new_archive_takes_entries_past_their_years_for_a_day() -> None:
    log, store = log_of(4), MemoryStore()
    later = ManualClock(CLOCK.wall_us + 8 * 366 * 86_400_000_000)
    assert Archiver(log, store, TERMS, later).run_once().archived == 4
    kept = store.retention(SegmentPlace(0, 3).name)
    assert kept is not None
    assert kept.until_us == later.wall_us + 86_400_000_000


def test_an_older_database_writes_nothing_behind_a_longer_archive() -> None:
    signer = GrowingLog().signer
    log, store = GrowingLog(signer=signer).grow(3).seal().grow(4).seal(), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    older = GrowingLog(signer=signer).grow(3).seal()
    status = Archiver(older, store, TERMS, CLOCK).run_once()
    assert status.is_ahead
    assert status.written == ()
    assert "older copy" in status.problems[-1]


def test_another_history_of_the_log_is_not_mixed_in() -> None:
    signer = GrowingLog().signer
    log, store = GrowingLog(signer=signer).grow(3).seal(), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    fork = GrowingLog(signer=signer).grow(3, "test.other").seal().grow(4).seal()
    status = Archiver(fork, store, TERMS, CLOCK).run_once()
    assert status.written == ()
    assert "two histories" in status.problems[-1]


def test_a_delete_marker_hides_nothing_and_is_named() -> None:
    log, store = log_of(4, 9), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    store.attack_marker(SegmentPlace(0, 8).name)
    status = Archiver(log, store, TERMS, CLOCK).run_once()
    assert (status.archived, status.written) == (9, ())
    assert "delete marker" in status.problems[0]
    source = ArchiveSource(StoreReader(store))
    assert any("hides it" in text for text in source.findings())
    assert word(log, store) is Word.OK


def test_what_is_written_over_a_segment_later_does_not_count() -> None:
    log, store = log_of(4), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    store.attack_over(SegmentPlace(0, 3).name, b"evil", locked_until_us=FAR_US)
    assert word(log, store) is Word.OK
    assert any("another version" in text for text in ArchiveSource(StoreReader(store)).findings())


def test_what_stood_there_first_without_a_lock_does_not_count() -> None:
    log, store = log_of(4), MemoryStore()
    store.attack_over(SegmentPlace(0, 3).name, b"evil")
    store.attack_over(checkpoint_name(4), b"evil")
    assert Archiver(log, store, TERMS, CLOCK).run_once().archived == 4
    assert word(log, store) is Word.OK


def test_what_was_locked_there_first_stops_one_segment_and_not_the_archive() -> None:
    log, store = log_of(4), MemoryStore()
    store.attack_over(SegmentPlace(0, 3).name, b"evil", locked_until_us=FAR_US)
    archiver = Archiver(log, store, TERMS, CLOCK)
    with pytest.raises(ArchiveError, match="not what this log writes"):
        archiver.run_once()
    log.grow(2).seal()
    assert archiver.run_once().archived == 6
    assert word(log, store) is Word.OK


def test_a_plant_that_claims_the_future_does_not_stop_the_archive() -> None:
    log, store = log_of(4), MemoryStore()
    archiver = Archiver(log, store, TERMS, CLOCK)
    archiver.run_once()
    for place in (SegmentPlace(0, 999_999), SegmentPlace(4, 99_999), SegmentPlace(50, 60)):
        store.attack_over(place.name, b"{}\nevil", locked_until_us=FAR_US)
    log.grow(3).seal()
    status = archiver.run_once()
    assert status.archived == 7
    assert any(SegmentPlace(50, 60).name in text for text in status.problems)
    assert Archiver(log, store, TERMS, CLOCK).run_once().written == ()


def test_gateways_that_write_at_once_leave_one_archive() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    dice = random.Random(seed)
    log, store = log_of(4), MemoryStore()
    archivers = [Archiver(log, store, TERMS, CLOCK) for _ in range(3)]
    for _ in range(40):
        chosen = dice.choice(archivers)
        if dice.random() < 0.5:
            log.grow(dice.randrange(1, 6)).seal()
        # One looks, the log grows and another writes, then the first goes on.
        chosen.look()
        if dice.random() < 0.5:
            log.grow(1).seal()
            dice.choice(archivers).run_once()
        chosen.run_once()
    assert Archiver(log, store, TERMS, CLOCK).run_once().archived == log.newest_size()
    assert Archiver(log, store, TERMS, CLOCK).look().problems == ()
    assert word(log, store) is Word.OK


def test_overlapping_segments_of_two_gateways_are_one_history() -> None:
    log, store = log_of(4), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    other = MemoryStore()
    log.grow(3).seal()
    Archiver(log, other, TERMS, CLOCK).run_once()
    for held in other.held:
        store.put_once(held.version.name, held.content, FAR_US)
    log.grow(5).seal()
    assert Archiver(log, store, TERMS, CLOCK).run_once().archived == 12
    assert word(log, store) is Word.OK


def test_the_label_is_kept_as_long_as_the_newest_segment() -> None:
    log, store = log_of(4), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    store.extend("log.json", "v0", 1)  # as if the log had gone on for years since
    log.grow(1).seal()
    Archiver(log, store, TERMS, CLOCK).run_once()
    label, newest = store.retention("log.json"), store.retention(SegmentPlace(4, 4).name)
    assert label is not None
    assert newest is not None
    assert label.until_us >= newest.until_us


def test_an_archive_of_another_region_or_key_is_refused() -> None:
    log, store = log_of(4), MemoryStore()
    Archiver(log, store, TERMS, CLOCK).run_once()
    log.grow(1).seal()
    with pytest.raises(ArchiveError, match="another region or key"):
        Archiver(log, store, ArchiveTerms("us-east-1", 7), CLOCK).run_once()


def test_a_folder_holds_the_same_and_nothing_unfinished(tmp_path: Path) -> None:
    log, store = log_of(4, 14), FolderStore(tmp_path / "archive" / "log")
    (tmp_path / "archive" / "log" / "segments").mkdir(parents=True)
    torn = tmp_path / "archive" / "log" / "segments" / f".{SegmentPlace(0, 3).name[9:]}.ab"
    torn.write_bytes(b'{"before"')
    assert Archiver(log, store, TERMS, CLOCK).run_once().archived == 14
    source = ArchiveSource(StoreReader(store))
    assert source.origin == ORIGIN
    assert [row[1] for batch in source.entries() for row in batch] == log.data
    assert all(path.stat().st_mode & 0o777 == 0o400 for path in tmp_path.rglob("*.segment"))
