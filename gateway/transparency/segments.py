"""Segments: the entries between two checkpoints as one object of an archive (docs/formats.md
section 16). Pure: names and bytes alone.

    <one line: the canonical head>\n
    <length in two bytes, big-endian><entry> …
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway import canonical
from gateway.errors import CanonicalError
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import MAX_ENTRY_BYTES, leaf_hash
from gateway.transparency.errors import NoteError, ProofError, SegmentError, SourceError
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Verifier
from gateway.transparency.tiles import LENGTH_BYTES, read_bundle
from gateway.transparency.tree_source import UnverifiedHead, read_unverified_head

LOG_OBJECT = "log.json"
SEGMENTS = "segments/"
CHECKPOINTS = "checkpoints/"
MAX_SEGMENT_ENTRIES = 65_536

_VERSION = 1
_DIGITS = 16
_MAX_HEAD_BYTES = 4 * 1024 * 1024  # two signed notes, each line escaped
_HEAD_NAMES = {"before", "checkpoint", "count", "edge", "first", "log", "sha256", "v"}
_is_segment = re.compile(r"segments/([0-9]{16})-([0-9]{16})\.segment", re.ASCII).fullmatch
_is_checkpoint = re.compile(r"checkpoints/([0-9]{16})", re.ASCII).fullmatch
_PLAIN = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class SegmentPlace:
    """Entries `first` to `last`, inclusive."""

    first: int
    last: int

    @property
    def stop(self) -> int:
        """The size of the tree that it ends with."""
        return self.last + 1

    @property
    def name(self) -> str:
        """Its object's name below the log's prefix."""
        return f"{SEGMENTS}{self.first:0{_DIGITS}d}-{self.last:0{_DIGITS}d}.segment"


def parse_segment_name(name: str) -> SegmentPlace | None:
    """The place that an object's name says; None for other objects."""
    match = _is_segment(name)
    if match is None or int(match[1]) > int(match[2]):
        return None
    return SegmentPlace(int(match[1]), int(match[2]))


def checkpoint_name(size: int) -> str:
    """The object's name of the signed note of `size` entries."""
    return f"{CHECKPOINTS}{size:0{_DIGITS}d}"


def parse_checkpoint_name(name: str) -> int | None:
    """The inverse of `checkpoint_name`; None for other objects."""
    match = _is_checkpoint(name)
    return None if match is None else int(match[1])


def log_folder(origin: str) -> str:
    """What a log's objects stand under: its origin, each byte outside `A-Za-z0-9._~-`, and a first
    dot, as `=XX`."""
    plain = "".join(
        char if _PLAIN.fullmatch(char) else "".join(f"={byte:02X}" for byte in char.encode())
        for char in origin
    )
    return f"=2E{plain[1:]}" if plain.startswith(".") else plain


@dataclass(frozen=True, slots=True)
class LogLabel:
    """What `log.json` says. A label: nothing of it is evidence."""

    log: str
    vkey: str
    region: str

    def encode(self) -> bytes:
        """Its canonical bytes."""
        return canonical.encode(
            {"log": self.log, "region": self.region, "v": _VERSION, "vkey": self.vkey}
        )


def parse_label(data: bytes) -> LogLabel:
    """The label of exact bytes; raises SegmentError."""
    try:
        value = canonical.decode(data)
    except CanonicalError as error:
        raise SegmentError(f"{LOG_OBJECT} is {error}") from None
    match value:
        case {"log": str(log), "region": str(region), "vkey": str(vkey)}:
            label = LogLabel(log, vkey, region)
            if label.encode() == data:
                return label
    raise SegmentError(f"{LOG_OBJECT} has not the members log, region, v and vkey")


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """The first line. `edge`: the tree's right edge at `first`; `before`, `checkpoint`: signed
    notes of the sizes `first` (empty at 0) and `first + count`; `digest`: SHA-256 of the rest."""

    log: str
    first: int
    count: int
    edge: bytes
    before: str
    checkpoint: str
    digest: bytes

    def encode(self) -> bytes:
        """Its canonical line, without the newline."""
        return canonical.encode(
            {
                "before": self.before,
                "checkpoint": self.checkpoint,
                "count": self.count,
                "edge": self.edge.hex(),
                "first": self.first,
                "log": self.log,
                "sha256": self.digest.hex(),
                "v": _VERSION,
            }
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it lies. `head` is None when there is none to read; `entries` are those that
    are whole; `problem` is the first thing that does not hold by itself; `is_cut` when the bytes
    end before they should, as a torn write leaves them."""

    head: SegmentHead | None
    entries: list[bytes]
    problem: str | None = None
    is_cut: bool = False


def encode_segment(
    log: str, first: int, edge: bytes, before: str, checkpoint: str, entries: Sequence[bytes]
) -> bytes:
    """The object's bytes; raises SegmentError for entries that no bundle holds."""
    if not entries or any(len(data) > MAX_ENTRY_BYTES for data in entries):
        raise SegmentError("a segment has entries, each of at most 65,535 bytes")
    parts: list[bytes] = []
    for data in entries:
        parts += (len(data).to_bytes(LENGTH_BYTES, "big"), data)
    body = b"".join(parts)
    digest = hashlib.sha256(body).digest()
    head = SegmentHead(log, first, len(entries), edge, before, checkpoint, digest)
    return head.encode() + b"\n" + body


def read_segment(data: bytes, place: SegmentPlace) -> Segment:
    """What lies at `place`, as far as it can be read. Neither signatures nor the tree are looked
    at: `verify_segment` does that."""
    line, newline, body = data.partition(b"\n")
    if not newline:
        return Segment(None, [], "it has no head", is_cut=True)
    try:
        head = _parse_head(line)
    except SegmentError as error:
        return Segment(None, [], str(error))
    entries, is_whole = read_bundle(body)
    problem = None
    if (head.first, head.count) != (place.first, place.stop - place.first):
        problem = f"its head says {head.count} entries from {head.first} on"
    elif len(entries) < head.count:
        problem = f"it ends after {len(entries)} of {head.count} entries"
        return Segment(head, entries, problem, is_cut=True)
    elif not is_whole or len(entries) != head.count:
        problem = f"bytes follow its {head.count} entries"
    elif hashlib.sha256(body).digest() != head.digest:
        problem = "its entries have not the digest that its head says"
    return Segment(head, entries[: place.stop - place.first], problem)


def verify_segment(segment: Segment, place: SegmentPlace, verifiers: Sequence[Verifier]) -> None:
    """Raises SegmentError unless the segment holds by itself, its edge is the one of `before`, its
    entries lead from there to the root of `checkpoint`, and one of `verifiers` signed that."""
    head = segment.head
    if head is None or segment.problem is not None:
        raise SegmentError(segment.problem or "it has no head")
    tree = read_edge(head)
    tree.extend(leaf_hash(data) for data in segment.entries)
    _verify_root(head.log, tree, head.checkpoint, "checkpoint")
    signer = next((key for key in verifiers if _has_signed(head.checkpoint, key)), None)
    if signer is None:
        raise SegmentError("no known key signed its checkpoint")


def read_edge(head: SegmentHead) -> CompactRange:
    """The tree at the head's first entry; raises SegmentError unless `before` says its root."""
    try:
        tree = CompactRange.from_edge(head.first, head.edge)
    except ProofError as error:
        raise SegmentError(str(error)) from None
    if head.first:
        _verify_root(head.log, tree, head.before, "note before it")
    elif head.before:
        raise SegmentError("it begins the log and names a checkpoint before it")
    return tree


def read_claim(note: str | bytes) -> UnverifiedHead | None:
    """What a note's text claims, None when it has not a checkpoint's form."""
    try:
        return read_unverified_head(note.encode() if isinstance(note, str) else note, "")
    except (SourceError, UnicodeEncodeError):
        return None


def _verify_root(log: str, tree: CompactRange, note: str, what: str) -> None:
    claim = read_claim(note)
    if claim is None or (claim.origin, claim.size, claim.root) != (log, tree.size, tree.root()):
        raise SegmentError(f"its {what} is not of the tree of {tree.size} entries")


def _has_signed(note: str, verifier: Verifier) -> bool:
    try:
        open_checkpoint(note, verifier)
    except NoteError:
        return False
    return True


def _parse_head(line: bytes) -> SegmentHead:
    if len(line) > _MAX_HEAD_BYTES:
        raise SegmentError("its head is too long")
    try:
        value = canonical.decode(line)
    except CanonicalError as error:
        raise SegmentError(f"its head is {error}") from None
    if not isinstance(value, dict) or value.keys() != _HEAD_NAMES:
        raise SegmentError(f"its head has not the members {', '.join(sorted(_HEAD_NAMES))}")
    numbers = [value[name] for name in ("v", "first", "count")]
    texts = [value[name] for name in ("log", "before", "checkpoint", "edge", "sha256")]
    if any(type(number) is not int or number < 0 for number in numbers) or numbers[0] != _VERSION:
        raise SegmentError("its head has a number that is none")
    if any(type(text) is not str for text in texts):
        raise SegmentError("its head has a text that is none")
    log, before, checkpoint, edge, digest = map(str, texts)
    first, count = int(str(numbers[1])), int(str(numbers[2]))
    head = SegmentHead(log, first, count, _hex(edge), before, checkpoint, _hex(digest))
    if not log or not count or head.encode() != line:
        raise SegmentError("its head is not written as it should be")
    return head


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise SegmentError("its head has a text that is not hex") from None
