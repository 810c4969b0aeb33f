"""Writes to the archive what was signed and is not there yet.

What is to be written next follows from what the archive holds and the log signed, so it may be
stopped, killed and run beside others at any time: a segment has its name from its entries, stands
whole or not at all, and who comes second finds it there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.archive.errors import ArchiveError, LockError
from gateway.archive.holdings import Holdings, is_note, is_segment, verify_held
from gateway.archive.port import ObjectStore, SealedHead, SealedLog, Version
from gateway.archive.writing import (
    ArchiveTerms,
    NewSegment,
    build_segment,
    retention_of_entry_us,
)
from gateway.clock import Clock, SystemClock
from gateway.transparency.segments import (
    LOG_OBJECT,
    LogLabel,
    SegmentPlace,
    checkpoint_name,
    read_claim,
)

_SLACK_US = 30 * 86_400 * 1_000_000  # the label's date moves once a month


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """How an archive stands: entries `archived` of those that the log `sealed`, `unbroken` of them
    before the first that is lacking; names `written` now; what is not as it should be. `is_ahead`:
    the archive holds what the log does not."""

    place: str
    log: str
    archived: int
    unbroken: int
    sealed: int
    segments: int
    written: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    is_ahead: bool = False


class Archiver:
    """One log's way into its archive. Blocking; for one thread."""

    def __init__(
        self,
        log: SealedLog,
        store: ObjectStore,
        terms: ArchiveTerms,
        clock: Clock | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`store` is the one log's; `is_stopping` is asked between segments."""
        self._log = log
        self._store = store
        self._terms = terms
        self._clock = clock or SystemClock()
        self._is_stopping = is_stopping
        self._holdings = Holdings(store)
        self._label_until_us: int | None = None
        self._tip: tuple[SegmentPlace, bytes] | None = None
        self._written: list[str] = []

    def look(self) -> ArchiveStatus:
        """How the archive stands, without writing. Raises ArchiveError and StorageError."""
        self._written = []
        sealed = self._log.newest_size()
        if sealed:
            self._holdings.refresh(self._log.keys())
        return self._status(sealed)

    def run_once(self) -> ArchiveStatus:
        """Write what is missing; raises ArchiveError and StorageError, and then what was written
        before stands."""
        status = self.look()
        if status.sealed == 0 or self._find_contradiction(status.sealed) is not None:
            return status
        if self._holdings.chain:
            self._put_note(self._holdings.chain[-1])
        for gap in self._gaps():
            self._write_span(gap.first, gap.stop)
        self._write_span(self._holdings.end or self._log.first_whole(), None)
        return self._status(status.sealed)

    def verify_held(self, first: int, last: int) -> None:
        """Read the archive's entries `first` to `last`; on any thread. Raises ArchiveError and
        StorageError."""
        verify_held(self._store, self._log.keys(), first, last)

    def _gaps(self) -> list[SegmentPlace]:
        """What the archive lacks before its newest segment; older entries than it has are lacking
        unless their years are over."""
        gaps, chain = self._holdings.gaps, self._holdings.chain
        start = self._log.first_whole() if chain and chain[0].first else 0
        if chain and start < chain[0].first:
            newest = self._log.entries(chain[0].first - 1, chain[0].first)
            until_us = retention_of_entry_us(newest[-1:], self._terms.entries_years)
            if until_us > self._clock.now_us():
                return [SegmentPlace(start, chain[0].first - 1), *gaps]
        return gaps

    def _write_span(self, first: int, stop: int | None) -> None:
        """Write segments from `first` on, to `stop` or as far as the log is signed."""
        while not self._is_stopping() and (stop is None or first < stop):
            before = self._log.head(first) if first else None
            if first and before is None:
                raise ArchiveError(
                    f"log {self._log.origin} has no checkpoint of {first} entries, where the "
                    f"archive in {self._store.place} goes on; run `gateway audit verify`"
                )
            segment = build_segment(self._log, before, self._terms, self._clock.now_us(), stop)
            if segment is None:
                return
            self._put_label(segment.until_us)
            self._put(segment)
            first = segment.place.stop

    def _put(self, segment: NewSegment) -> None:
        """Write a segment, then the note of its end."""
        place, keys = segment.place, self._log.keys()

        def is_ours(content: bytes) -> bool:
            return is_segment(content, place, keys)

        version = self._keep(place.name, segment.content, segment.until_us, is_ours)
        self._keep_note(place.stop, segment.note, segment.until_us)
        self._holdings.add(place, version)

    def _put_note(self, place: SegmentPlace) -> None:
        """The note of a segment whose writer died before it."""
        head = self._log.head(place.stop)
        if head is not None and not self._holdings.objects(checkpoint_name(place.stop)).chosen:
            segment = self._holdings.segment(place)
            until_us = retention_of_entry_us(segment.entries, self._terms.entries_years)
            self._keep_note(place.stop, head.note, until_us)

    def _keep_note(self, size: int, note: str, until_us: int) -> None:
        keys = self._log.keys()
        self._keep(
            checkpoint_name(size),
            note.encode(),
            until_us,
            lambda content: is_note(content, size, keys),
        )

    def _put_label(self, until_us: int) -> None:
        """The label stands before the first segment and is kept as long as the newest one."""
        if self._label_until_us is None or until_us > self._label_until_us:
            label = LogLabel(self._log.origin, self._log.keys()[0].vkey, self._terms.region)
            content = label.encode()
            self._keep(LOG_OBJECT, content, until_us + _SLACK_US, lambda found: found == content)
            self._label_until_us = until_us + _SLACK_US

    def _keep(
        self, name: str, content: bytes, until_us: int, is_ours: Callable[[bytes], bool]
    ) -> Version:
        """Write an object unless one stands that is as good; the version that counts, which is kept
        until the date. Something else in its place is written over where versions are kept and
        nobody locked it."""
        is_new = self._store.put_once(name, content, until_us)
        if not is_new:
            found = self._holdings.objects(name)
            if not self._is_dated(found.chosen.get(name)):
                self._store.put_version(name, content, until_us)
                is_new = True
            elif not is_ours(found.get(name)):
                raise self._taken(name)
        objects = self._holdings.objects(name)
        if is_new:
            self._written.append(name)
            if not is_ours(objects.get(name)):
                raise self._taken(name)
        version = objects.chosen.get(name)
        if version is None:
            raise ArchiveError(f"{self._store.place}{name} was there and is gone")
        if self._store.keeps_dates:
            self._keep_until(version, until_us)
        return version

    def _keep_until(self, version: Version, until_us: int) -> None:
        """A date that is too early (another gateway keeps for fewer years) is moved."""
        kept = self._store.retention(version.name, version.id)
        if kept is not None and kept.is_compliance and kept.until_us < until_us:
            self._store.extend(version.name, version.id, until_us)
            kept = self._store.retention(version.name, version.id)
        if kept is None or not kept.is_compliance or kept.until_us < until_us:
            raise LockError(
                f"{self._store.place}{version.name} was written and is not locked until its date: "
                "the bucket needs Object Lock"
            )

    def _taken(self, name: str) -> ArchiveError:
        return ArchiveError(
            f"{self._store.place}{name} stands and is not what this log writes there: it is of "
            "another region or key, or somebody else's"
        )

    def _is_dated(self, version: Version | None) -> bool:
        """Whether it is locked, or the store locks nothing."""
        if version is None or not self._store.keeps_dates:
            return version is not None
        kept = self._store.retention(version.name, version.id)
        return kept is not None and kept.is_compliance

    def _find_contradiction(self, sealed: int) -> str | None:
        """Why nothing may be written behind what the archive holds."""
        end = self._holdings.end
        if end > sealed:
            return (
                f"the archive holds {end} entries of log {self._log.origin}, the database signed "
                f"{sealed}: it is an older copy; see docs/operations.md, Archive"
            )
        if end and _root(self._log.head(end)) != self._end_root():
            return (
                f"{self._holdings.chain[-1].name} ends with a checkpoint that the database does "
                "not have: two histories of one log; run `gateway audit verify` over both"
            )
        return None

    def _end_root(self) -> bytes:
        """Of the tree that the newest segment ends with."""
        tip = self._holdings.chain[-1]
        if self._tip is None or self._tip[0] != tip:
            head = self._holdings.segment(tip).head
            claim = read_claim(head.checkpoint) if head else None
            self._tip = (tip, claim.root if claim else b"")
        return self._tip[1]

    def _status(self, sealed: int) -> ArchiveStatus:
        holdings = self._holdings
        gaps = self._gaps()
        problems = list(holdings.findings)
        problems += [f"entries {gap.first} to {gap.last} are not in the archive" for gap in gaps]
        contradiction = self._find_contradiction(sealed)
        return ArchiveStatus(
            place=self._store.place,
            log=self._log.origin,
            archived=holdings.end,
            unbroken=gaps[0].first if gaps else holdings.end,
            sealed=sealed,
            segments=len(holdings.chain),
            written=tuple(self._written),
            problems=(*problems, *([contradiction] if contradiction else [])),
            is_ahead=holdings.end > sealed,
        )


def _root(head: SealedHead | None) -> bytes | None:
    claim = read_claim(head.note) if head else None
    return claim.root if claim else None
