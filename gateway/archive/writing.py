"""What an archive's objects are made of, and until when they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.archive.errors import ArchiveError
from gateway.archive.port import SealedHead, SealedLog
from gateway.transparency.entry import parse_entry
from gateway.transparency.errors import EntryError, SegmentError
from gateway.transparency.segments import (
    MAX_SEGMENT_ENTRIES,
    SegmentPlace,
    encode_segment,
    read_segment,
    verify_segment,
)

MAX_SEGMENT_BYTES = 64 * 1024 * 1024
_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class ArchiveTerms:
    """The region that the archive's label names, for how many years entries are kept, how many make
    a segment."""

    region: str
    entries_years: int
    segment_entries: int = 16_384


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment to be written: its bytes, the note of its end, and until when both are kept."""

    place: SegmentPlace
    content: bytes
    note: str
    until_us: int


def build_segment(
    log: SealedLog,
    before: SealedHead | None,
    terms: ArchiveTerms,
    now_us: int,
    stop: int | None = None,
) -> NewSegment | None:
    """The segment that follows the checkpoint `before` (None: the log's first), not past `stop`;
    None when no checkpoint signed more. Entries past their years are kept for a day. Raises
    ArchiveError when the entries are not there or not what was signed."""
    first = 0 if before is None else before.size
    most = min(terms.segment_entries, MAX_SEGMENT_ENTRIES)
    while True:
        end = log.next_head(first, most if stop is None else min(most, stop - first))
        if end is None or (stop is not None and end.size > stop):
            return None
        entries = log.entries(first, end.size)
        if len(entries) != end.size - first or any(type(data) is not bytes for data in entries):
            raise ArchiveError(
                f"entries {first} to {end.size - 1} of log {log.origin} are not all in the "
                "database; run `gateway audit verify`"
            )
        if most == 1 or sum(map(len, entries)) <= MAX_SEGMENT_BYTES or len(entries) > most:
            break
        most = max(1, len(entries) // 2)
    edge, note = (before.edge, before.note) if before and first else (b"", "")
    place = SegmentPlace(first, end.size - 1)
    try:
        content = encode_segment(log.origin, first, edge, note, end.note, entries)
        segment = read_segment(content, place)
        verify_segment(segment, place, log.keys())
    except SegmentError as error:
        raise ArchiveError(
            f"entries {first} to {place.last} of log {log.origin} are not what was signed "
            f"({error}); run `gateway audit verify`"
        ) from None
    until_us = retention_of_entry_us(entries, terms.entries_years)
    return NewSegment(place, content, end.note, max(until_us, now_us + _DAY_US))


def retention_until_us(newest_us: int, years: int) -> int:
    """The end of the newest entry's day (UTC), so many years later (29 February: 1 March)."""
    day = datetime.fromtimestamp(newest_us // 1_000_000, UTC).date() + timedelta(days=1)
    try:
        until = day.replace(year=day.year + years)
    except ValueError:
        until = day.replace(year=day.year + years, month=3, day=1)
    return int(datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp()) * 1_000_000


def retention_of_entry_us(entries: Sequence[bytes], years: int) -> int:
    """Until when the objects of entries are kept, by the last of them; raises ArchiveError."""
    try:
        return retention_until_us(parse_entry(entries[-1]).time_us, years)
    except (EntryError, IndexError):
        raise ArchiveError("a segment of the archive does not end with an entry") from None
