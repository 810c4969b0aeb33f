"""Daily counts of verdicts, derived from `decisions` entries and from nothing else.

Counts and their mark move in one transaction, so after a crash what the mark does not cover is
read again from the entries, and nothing is counted twice, whichever process counts.
"""

from collections.abc import Iterable

import msgspec

from gateway.storage.engine import Connection
from gateway.storage.log_store import (
    CountRow,
    EntryRow,
    add_counts,
    read_count_mark,
    read_entries,
)

COUNTED_TYPE = "decisions"
_DAY_TEXT = len("2026-01-02")
_MAX_WAITING = 100_000


class _Decisions(msgspec.Struct):
    verdicts: list[tuple[int, int, int]] = []


class _Entry(msgspec.Struct):
    type: str
    time: str
    body: msgspec.Raw


Counts = dict[str, dict[tuple[int, int], int]]
"""By day, then by the verdict's place: how often it was given."""

_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_body = msgspec.json.Decoder(_Decisions).decode


class CountBook:
    """Decisions seen since the last flush. `complete_from`: from this entry on, every entry of the
    log was shown to `note`; what lies before is read from the log when the mark is behind it."""

    def __init__(self, complete_from: int) -> None:
        self._complete_from = complete_from
        self._seen: list[tuple[int, bytes]] = []

    def note(self, seq: int, data: bytes) -> None:
        """The next durable decisions entry, by its bytes."""
        self._seen.append((seq, data))
        if len(self._seen) > _MAX_WAITING:  # flushing fails for long: rather read again than grow
            self._complete_from = seq + 1
            self._seen = []

    def flush(self, connection: Connection, log: str, size: int) -> None:
        """Add everything below `size` that is not counted yet and move the mark."""
        mark = read_count_mark(connection, log)
        if mark >= size:
            return
        counts: Counts = {}
        if mark < self._complete_from:
            _count(_decisions(read_entries(connection, log, mark), self._complete_from), counts)
        _count([row for row in self._seen if row[0] >= mark], counts)
        rows = [
            CountRow(day, *place, times)
            for day, by_place in counts.items()
            for place, times in by_place.items()
        ]
        add_counts(connection, log, rows, size)

    def mark_flushed(self, size: int) -> None:
        """The flush at `size` is durable."""
        self._complete_from = max(size, self._complete_from)
        self._seen = [row for row in self._seen if row[0] >= size]


def _decisions(rows: Iterable[EntryRow], stop: int) -> Iterable[tuple[int, bytes]]:
    for row in rows:
        if row.seq >= stop:
            return
        if _decode_entry(row.data).type == COUNTED_TYPE:
            yield row.seq, row.data


def _count(rows: Iterable[tuple[int, bytes]], counts: Counts) -> None:
    for _seq, data in rows:
        entry = _decode_entry(data)
        day = entry.time[:_DAY_TEXT]
        try:
            verdicts = _decode_body(entry.body).verdicts
        except msgspec.MsgspecError:
            continue  # a body of another shape names no verdict; the verifier reports it
        of_day = counts.setdefault(day, {})
        known = of_day.get
        for seq, position, times in verdicts:
            place = (seq, position)
            of_day[place] = known(place, 0) + times
