"""Every object of one log's archive looked at: what it says, who signed it, until when it is
kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.archive.errors import ArchiveError
from gateway.archive.holdings import Holdings, is_note
from gateway.archive.port import ObjectStore
from gateway.archive.reading import Objects
from gateway.archive.writing import retention_of_entry_us
from gateway.clock import format_time
from gateway.transparency.errors import SegmentError
from gateway.transparency.notes import Verifier
from gateway.transparency.segments import (
    CHECKPOINTS,
    LOG_OBJECT,
    SegmentPlace,
    checkpoint_name,
    parse_checkpoint_name,
    parse_label,
    parse_segment_name,
    read_segment,
    verify_segment,
)

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ArchiveCheck:
    """What was looked at, and what does not hold. `kept_until_us`: the earliest date of an object
    that has one."""

    objects: int
    problems: tuple[str, ...]
    kept_until_us: int | None


class _Checking:
    def __init__(self, store: ObjectStore, keys: Sequence[Verifier], entries_years: int) -> None:
        self._store = store
        self._keys = keys
        self._years = entries_years
        self.objects = Objects(store, store.versions())
        self.problems = list(self.objects.findings)
        self.kept_until_us: int | None = None
        self._needed_us: dict[str, int] = {}

    def check(self, name: str) -> None:
        """One object; those of notes and the label come after the segments."""
        place, size = parse_segment_name(name), parse_checkpoint_name(name)
        try:
            content = self.objects.get(name)
            if place is not None:
                self._check_segment(place, content)
            elif size is not None and not is_note(content, size, self._keys):
                self.problems.append(f"{name}: no key of the log signed it")
            elif name == LOG_OBJECT:
                parse_label(content)
        except (ArchiveError, SegmentError) as error:
            self.problems.append(f"{name}: {error}")
        if self._store.keeps_dates:
            self._check_date(name)

    def _check_segment(self, place: SegmentPlace, content: bytes) -> None:
        segment = read_segment(content, place)
        verify_segment(segment, place, self._keys)
        until_us = retention_of_entry_us(segment.entries, self._years)
        newest = max(until_us, self._needed_us.get(LOG_OBJECT, 0))
        self._needed_us |= {place.name: until_us, LOG_OBJECT: newest}
        if checkpoint_name(place.stop) in self.objects.chosen:
            self._needed_us[checkpoint_name(place.stop)] = until_us
        else:
            self.problems.append(f"{checkpoint_name(place.stop)} is not there")

    def _check_date(self, name: str) -> None:
        kept = self._store.retention(name, self.objects.chosen[name].id)
        needed_us = self._needed_us.get(name, 0)
        if kept is None or not kept.is_compliance:
            self.problems.append(f"{name} is not locked in COMPLIANCE mode")
            return
        if kept.until_us < needed_us:
            self.problems.append(
                f"{name} is kept until {format_time(kept.until_us)}, "
                f"it must be until {format_time(needed_us)}"
            )
        if self.kept_until_us is None or kept.until_us < self.kept_until_us:
            self.kept_until_us = kept.until_us


def check_archive(
    store: ObjectStore,
    keys: Sequence[Verifier],
    entries_years: int,
    on_progress: OnProgress | None = None,
) -> ArchiveCheck:
    """Look at everything that one log's `store` holds. Raises ArchiveError when it cannot be
    listed."""
    checking = _Checking(store, keys, entries_years)
    names = sorted(checking.objects.chosen, key=_order)
    for done, name in enumerate(names, 1):
        checking.check(name)
        if on_progress is not None:
            on_progress(done, len(names))
    holdings = Holdings(store)
    holdings.refresh(keys)
    checking.problems += [
        f"entries {gap.first} to {gap.last} are not in the archive" for gap in holdings.gaps
    ]
    return ArchiveCheck(len(names), tuple(checking.problems), checking.kept_until_us)


def _order(name: str) -> tuple[int, str]:
    """Segments first: they say until when the others are to be kept."""
    if parse_segment_name(name) is not None:
        return 0, name
    return (1, name) if name.startswith(CHECKPOINTS) else (2, name)
