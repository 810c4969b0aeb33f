"""The log as an archive holds it (docs/formats.md section 16), in a folder or behind anything that
lists and reads objects."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from gateway.transparency.archive_reader import ArchiveReader, FolderReader
from gateway.transparency.closeable import Closeable
from gateway.transparency.entry import leaf_hash, read_fields
from gateway.transparency.errors import EntryError, NoteError, SegmentError, SourceError
from gateway.transparency.notes import Verifier
from gateway.transparency.segment_chain import choose_chain
from gateway.transparency.segments import (
    LOG_OBJECT,
    LogLabel,
    Segment,
    SegmentPlace,
    checkpoint_name,
    parse_checkpoint_name,
    parse_label,
    parse_segment_name,
    read_claim,
    read_edge,
    read_segment,
    verify_segment,
)
from gateway.transparency.source import Opener, Row, StoredRow

_BATCH_ROWS = 1_000
_NAMED_LOGS = 5
_NO_ROOT = b""  # agrees with no note


class ArchiveSource(Closeable):
    """One log of an archive: a `LogSource` and a `LateSource`. Nothing in it is trusted: what is
    wrong with an object shows in its rows, so that whoever verifies finds it."""

    def __init__(self, store: ArchiveReader, log: str | None = None) -> None:
        """List the objects. Raises SourceError when there is no log, several and `log` does not say
        which, or a label that is none."""
        self._store = store
        names = list(store.names())
        self._prefix, self.label = _choose(store, names, log)
        own = [name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)]
        places = [place for name in own if (place := parse_segment_name(name))]
        self._sizes = sorted(size for name in own if (size := parse_checkpoint_name(name)))
        self._cached: list[tuple[SegmentPlace, Segment]] = []
        self._chain = choose_chain(places, self._is_sound)
        self._ignored = len(set(places)) - len(self._chain)
        self._tail_problem = self._find_torn_tail()
        self._check_label()

    @property
    def origin(self) -> str:
        """The log's name, as its label says."""
        return self.label.log

    @property
    def chain(self) -> Sequence[SegmentPlace]:
        """The segments that are read, in order."""
        return self._chain

    def findings(self) -> Sequence[str]:
        """What an auditor should hear besides the verdict: versions and delete markers that hide
        objects, segments that were not needed."""
        found = list(self._store.findings())
        if self._ignored:
            found.append(f"{self._ignored} segments repeat others, or do not hold beside others")
        return found

    def start(self) -> tuple[int, bytes, str]:
        """As LateSource."""
        if not self._chain or self._chain[0].first == 0:
            return 0, b"", ""
        head = self._load(self._chain[0]).head
        first = self._chain[0].first
        return (first, head.edge, head.before) if head else (first, b"", "")

    def estimate_entries(self) -> int:
        """Where the newest segment ends."""
        return self._chain[-1].stop if self._chain else 0

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        """As LogSource. An object that breaks off has a row without bytes where it does."""
        for place in self._chain:
            if place.last < first:
                continue
            rows = _rows(place, self._load(place), first)
            while batch := [row for _, row in zip(range(_BATCH_ROWS), rows, strict=False)]:
                yield batch

    def checkpoints(self, from_size: int = 0) -> Iterator[StoredRow]:
        """As LogSource: the notes that segments begin and end with and those beside them. A root is
        empty where the segment's head does not say what its object is."""
        seen: set[StoredRow] = set()
        for _size, rows in groupby(self._notes(from_size), key=lambda row: row[0]):
            seen.clear()
            for row in rows:
                if row not in seen:
                    seen.add(row)
                    yield row

    def cosigned(self) -> Iterator[StoredRow]:
        """The notes beside the segments, which may carry cosignatures: (size, None, note)."""
        for size in self._sizes:
            yield size, None, self._read(checkpoint_name(size))

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        """As LogSource: an archive keeps no tiles."""
        return ()

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        """As LogSource: none."""
        return iter(())

    def tail_problem(self) -> str | None:
        """As LogSource: the last segment is cut short, and nothing says that it was ever whole."""
        return self._tail_problem

    def opener(self) -> Opener | None:
        """As LogSource."""
        reopen = self._store.reopener()
        return None if reopen is None else partial(_reopen, reopen, self.origin)

    def close(self) -> None:
        """As LogSource."""
        self._cached.clear()

    def _notes(self, from_size: int) -> Iterator[StoredRow]:
        beside = iter([size for size in self._sizes if size >= from_size])
        next_size = next(beside, None)
        for place in self._chain:
            for size, row in self._own_notes(place, from_size):
                while next_size is not None and next_size <= size:
                    yield self._beside(next_size)
                    next_size = next(beside, None)
                yield row
        while next_size is not None:
            yield self._beside(next_size)
            next_size = next(beside, None)

    def _own_notes(self, place: SegmentPlace, from_size: int) -> Iterator[tuple[int, StoredRow]]:
        if place.stop < from_size:
            return
        segment = self._load(place)
        head = segment.head
        if head is not None and place.first and place.first >= from_size:
            yield place.first, (place.first, _root_of_edge(segment), head.before.encode())
        if head is None or segment.problem is not None:
            yield place.stop, (place.stop, _NO_ROOT, head.checkpoint.encode() if head else b"")
        else:
            claim = read_claim(head.checkpoint)
            note = head.checkpoint.encode()
            yield place.stop, (place.stop, claim.root if claim else _NO_ROOT, note)

    def _beside(self, size: int) -> StoredRow:
        note = self._read(checkpoint_name(size))
        claim = read_claim(note)
        return size, claim.root if claim else _NO_ROOT, note

    def _is_sound(self, place: SegmentPlace) -> bool:
        """Whether it holds under the label's key. After a hand-over of keys none does, and then
        what overlaps is told apart by its reach alone."""
        try:
            verifier = Verifier.from_vkey(self.label.vkey)
            verify_segment(self._load(place), place, [verifier])
        except (SegmentError, NoteError):
            return False
        return True

    def _find_torn_tail(self) -> str | None:
        if not self._chain:
            return None
        place = self._chain[-1]
        if not self._load(place).is_cut or place.stop in self._sizes:
            return None
        self._chain.pop()
        return f"{self._prefix}{place.name} is cut short: {self._load(place).problem}."

    def _check_label(self) -> None:
        """The label must name the log and the key that the entries do."""
        if not self._chain:
            return
        segment = self._load(self._chain[0])
        if segment.head is not None and segment.head.log != self.label.log:
            raise SourceError(
                f"{self._prefix}{LOG_OBJECT} in {self._store.place} is of log "
                f"{self.label.log!r}, its segments of {segment.head.log!r}"
            )
        opened = _opened_with(segment) if self._chain[0].first == 0 else None
        if opened is not None and opened != self.label.vkey:
            raise SourceError(
                f"{self._prefix}{LOG_OBJECT} in {self._store.place} names another key than the "
                "log's first entry"
            )

    def _load(self, place: SegmentPlace) -> Segment:
        """The segment; the last two stay in memory, since entries and notes are read in turn."""
        for known, segment in self._cached:
            if known == place:
                return segment
        segment = read_segment(self._read(place.name), place)
        self._cached = [*self._cached[-1:], (place, segment)]
        return segment

    def _read(self, name: str) -> bytes:
        return self._store.read(self._prefix + name)


def _reopen(reopen: Callable[[], ArchiveReader], log: str) -> ArchiveSource:
    return ArchiveSource(reopen(), log)


def open_folder_archive(path: str | Path, log: str | None = None) -> ArchiveSource:
    """A log of an archive in a folder: the archive's own or the log's inside it. Raises
    SourceError."""
    return ArchiveSource(FolderReader(Path(path)), log)


def is_folder_archive(path: Path) -> bool:
    """Whether a folder is an archive, or one log of an archive."""
    return (path / LOG_OBJECT).is_file() or any(path.glob(f"*/{LOG_OBJECT}"))


def _choose(store: ArchiveReader, names: Sequence[str], log: str | None) -> tuple[str, LogLabel]:
    prefixes = [
        name.removesuffix(LOG_OBJECT)
        for name in names
        if name == LOG_OBJECT or (name.endswith(f"/{LOG_OBJECT}") and name.count("/") == 1)
    ]
    labels: dict[str, LogLabel] = {}
    for prefix in sorted(prefixes):
        try:
            labels[prefix] = parse_label(store.read(prefix + LOG_OBJECT))
        except SegmentError as error:
            raise SourceError(f"{store.place}: {prefix}{error}") from None
    logs = ", ".join(repr(label.log) for label in list(labels.values())[:_NAMED_LOGS])
    if not labels:
        raise SourceError(f"{store.place} holds no archive of a log: there is no {LOG_OBJECT}")
    fitting = [item for item in labels.items() if log in (None, item[1].log)]
    if not fitting:
        raise SourceError(f"{store.place} holds no log {log!r}, but {logs}")
    if len(fitting) > 1:
        raise SourceError(f"{store.place} holds several logs, say which with --log: {logs}")
    return fitting[0]


def _rows(place: SegmentPlace, segment: Segment, first: int) -> Iterator[Row]:
    start = max(place.first, first)
    for seq in range(start, place.first + len(segment.entries)):
        data = segment.entries[seq - place.first]
        yield seq, data, leaf_hash(data)
    broken = max(start, place.first + len(segment.entries))
    if broken < place.stop:
        yield broken, None, None


def _root_of_edge(segment: Segment) -> bytes:
    """The root over the head's edge, when its `before` says the same."""
    try:
        return _NO_ROOT if segment.head is None else read_edge(segment.head).root()
    except SegmentError:
        return _NO_ROOT


def _opened_with(segment: Segment) -> object:
    """The key that entry 0 names, if it can be read."""
    try:
        return read_fields(segment.entries[0])["body"].get("checkpoint_key")
    except (EntryError, IndexError):
        return None
