"""What the archive of one log holds, as far as a gateway that knows the log's keys believes it."""

from collections.abc import Iterable, Sequence

from gateway.archive.errors import ArchiveError
from gateway.archive.port import ObjectStore, Version
from gateway.archive.reading import Objects
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.errors import NoteError, SegmentError
from gateway.transparency.notes import Verifier
from gateway.transparency.segment_chain import choose_chain
from gateway.transparency.segments import (
    SEGMENTS,
    Segment,
    SegmentPlace,
    parse_segment_name,
    read_segment,
    verify_segment,
)

_FIRST_DIGITS = 16


class Holdings:
    """`chain`: the segments that follow each other; `gaps`: spans between them that are not there;
    `findings`: what is odd. Every method raises ArchiveError."""

    def __init__(self, store: ObjectStore) -> None:
        """`store` is the one log's."""
        self._store = store
        self._sound: set[tuple[str, str]] = set()
        self.chain: list[SegmentPlace] = []
        self.findings: list[str] = []

    @property
    def end(self) -> int:
        """The size of the tree that the newest segment ends with; 0 for none."""
        return self.chain[-1].stop if self.chain else 0

    @property
    def gaps(self) -> list[SegmentPlace]:
        """Spans between segments, in order."""
        pairs = zip(self.chain, self.chain[1:], strict=False)
        return [SegmentPlace(a.stop, b.first - 1) for a, b in pairs if a.stop < b.first]

    def refresh(self, keys: Sequence[Verifier]) -> None:
        """List everything the first time, later from the newest segment on (others may have written
        a longer one in its place)."""
        tip = self.chain.pop() if self.chain else None
        start = tip.name[: len(SEGMENTS) + _FIRST_DIGITS] if tip else ""
        objects = Objects(self._store, self._store.versions(SEGMENTS, start))
        places = {place for name in objects.chosen if (place := parse_segment_name(name))}
        self._find(objects.findings)

        def is_sound(place: SegmentPlace) -> bool:
            return self._is_sound(objects, place, keys)

        chain = choose_chain(places, is_sound)
        # The newest one tells where to go on, so that a plant there would stop the archive.
        while chain and not is_sound(chain[-1]):
            self._find([f"{chain[-1].name} is no segment that this log's keys signed"])
            places.remove(chain[-1])
            chain = choose_chain(places, is_sound)
        self.chain += chain

    def objects(self, name: str) -> Objects:
        """The versions of one object."""
        listed = self._store.versions(name, name)
        return Objects(self._store, (version for version in listed if version.name == name))

    def segment(self, place: SegmentPlace) -> Segment:
        """A segment as it lies."""
        return read_segment(self.objects(place.name).get(place.name), place)

    def add(self, place: SegmentPlace, version: Version) -> None:
        """A segment that was just written."""
        self._sound.add((version.name, version.id))
        self.chain = sorted({*self.chain, place})

    def _is_sound(self, objects: Objects, place: SegmentPlace, keys: Sequence[Verifier]) -> bool:
        version = objects.chosen[place.name]
        mark = (version.name, version.id)
        if mark in self._sound:
            return True
        if not is_segment(objects.get(place.name), place, keys):
            return False
        self._sound.add(mark)
        return True

    def _find(self, texts: Iterable[str]) -> None:
        self.findings += [text for text in texts if text not in self.findings]


def verify_held(store: ObjectStore, keys: Sequence[Verifier], first: int, last: int) -> None:
    """Read the segments that hold entries `first` to `last`: what stands under a segment's name is
    elsewhere believed until somebody needs it. Raises ArchiveError naming the first that one of the
    keys did not sign, or the first entry that no segment holds."""
    holdings = Holdings(store)
    holdings.refresh(keys)
    at = first
    for place in holdings.chain:
        if place.stop <= at or place.first > last:
            continue
        if place.first > at:
            break
        if not is_segment(holdings.objects(place.name).get(place.name), place, keys):
            raise ArchiveError(
                f"{store.place}{place.name} is damaged: no segment that this log's keys signed; "
                "run `gateway audit archive`"
            )
        at = place.stop
    if at <= last:
        raise ArchiveError(f"{store.place}: entry {at} is not in the archive")


def is_segment(content: bytes, place: SegmentPlace, keys: Sequence[Verifier]) -> bool:
    """Whether the bytes are the segment of that place and one of the keys signed it."""
    try:
        verify_segment(read_segment(content, place), place, keys)
    except SegmentError:
        return False
    return True


def is_note(content: bytes, size: int, keys: Sequence[Verifier]) -> bool:
    """Whether the bytes are a checkpoint of that size that one of the keys signed."""
    for key in keys:
        try:
            return open_checkpoint(content.decode(), key).size == size
        except (NoteError, UnicodeDecodeError):
            continue
    return False
