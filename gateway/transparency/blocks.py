"""Checking entries many at a time.

This only accelerates: a block either holds in every respect, or nothing is said of it and the judge
(`gateway.transparency.judge`) reads it entry by entry and names what does not.

The end of an entry's canonical bytes is `,"log":…,"prev":…,"seq":…,"time":…,"type":…,"v":1}`, and
of all these only the type's length is unknown. Where the bytes are JSON, what stands there so is
the outermost object's: the last brace closes it, and nothing in between opens or closes another.
"""

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from gateway import canonical
from gateway.errors import CanonicalError
from gateway.transparency.entry import (
    ENTRY_FIELDS,
    GENESIS,
    MAX_ENTRY_BYTES,
    is_entry_time,
    read_fields,
)
from gateway.transparency.errors import EntryError
from gateway.transparency.journal_types import JOURNAL_TYPES
from gateway.transparency.removals import KEPT_TYPES
from gateway.transparency.source import Row

OPENED = "log.opened"
EVALUATIONS = "evaluations"
PAYLOADS_SEALED = "payloads.sealed"
RESTORED = "log.restored"

_TYPE = b'","type":"'
_END = b'","v":1}'
_TIME_FORM = b"0000-00-00T00:00:00.000000Z"
_TIME_LENGTH = len(_TIME_FORM)
_AS_ZEROS = bytes.maketrans(b"0123456789", b"0" * 10)
_NUMBER = rb"(?:0|[1-9][0-9]{0,14}+)"
_NUMBERS = rb"\[%b(?:,%b)*+\]" % (_NUMBER, _NUMBER)
_NUMBER_TABLE = re.compile(rb"\[%b(?:,%b)*+\]" % (_NUMBERS, _NUMBERS))
_BODY = b'","body":'
_MOST_KEPT, _KEPT_BYTES = 4_096, 256
_ITEM = b'{"class":"'
_PLAIN_TYPE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
_READ_WHOLE = frozenset(name.encode() for name in (*JOURNAL_TYPES, *KEPT_TYPES, EVALUATIONS))


class Depth(StrEnum):
    """How much of each entry is checked: its bytes, hash and place; its fields, too; and that it
    has no other spelling."""

    BYTES = "bytes"
    FIELDS = "fields"
    CANONICAL = "canonical"


class Special(NamedTuple):
    """An entry that says something about the log itself. `items`: of evaluations, how many."""

    seq: int
    type: str
    body: dict[str, canonical.Value]
    items: int = 0


class Block(NamedTuple):
    """Entries that hold: the leaf hash before them, their own, the first and last time, the first
    entry whose time lies before the one ahead of it, and those to be looked at."""

    prev: bytes
    leaves: list[bytes]
    first_time: str
    last_time: str
    clock_seq: int | None
    specials: list[Special]


def squeeze(data: bytes) -> bytes:
    """`data` with each array of arrays of whole numbers made `[[]]`: canonical JSON if and only if
    `data` is, with the same names in the same places.

    Reading numbers costs more than all else. Only those go that are in range and in their one
    spelling, so that outside of text one whole value makes place for another, as deep; and within
    a text nothing goes that could end it or be part of an escape.
    """
    return _NUMBER_TABLE.sub(b"[[]]", data) if b"[[" in data else data


def is_special(type_: str) -> bool:
    """Whether entries of this type say something about the log itself."""
    return type_.encode() in _READ_WHOLE


def count_items(data: bytes) -> int:
    """How many items an evaluations entry has."""
    return data.count(_ITEM)


class BlockReader:
    """Reads blocks of one log at one depth."""

    def __init__(self, origin: str, depth: Depth) -> None:
        self._log = b',"log":' + canonical.encode(origin) + b',"prev":"'
        self._depth = depth
        self._decode = canonical.decode if depth is Depth.CANONICAL else canonical.decode_any
        # Beginnings up to the body, and squeezed bodies, that were found to hold: many recur.
        self._actors: set[bytes] = set()
        self._bodies: set[bytes] = set()

    def read(self, rows: Sequence[Row], first: int, prev: bytes | None) -> Block | None:
        """The block of rows that must be entries `first` and on; `prev` is the leaf hash before
        (None: not known). None unless all of it holds."""
        if not rows:
            return None
        digits = len(str(first))
        border = 10**digits - first
        if border < len(rows):  # numbers of one length at a time
            return self._read_across(rows, first, prev, border)
        seqs, datas, stored = zip(*rows, strict=True)
        if set(map(type, seqs)) != {int} or seqs != tuple(range(first, first + len(rows))):
            return None
        if set(map(type, datas)) != {bytes} or max(map(len, datas)) > MAX_ENTRY_BYTES:
            return None
        sha256 = hashlib.sha256
        leaves = [sha256(b"\x00" + data).digest() for data in datas]
        if leaves != list(stored):
            return None
        return self._read_places(datas, leaves, first, prev, digits)

    def _read_across(
        self, rows: Sequence[Row], first: int, prev: bytes | None, border: int
    ) -> Block | None:
        one = self.read(rows[:border], first, prev)
        two = self.read(rows[border:], first + border, one.leaves[-1]) if one else None
        if one is None or two is None:
            return None
        clock_seq = one.clock_seq
        if clock_seq is None:
            is_back = two.first_time < one.last_time
            clock_seq = first + border if is_back else two.clock_seq
        return Block(
            one.prev,
            one.leaves + two.leaves,
            one.first_time,
            two.last_time,
            clock_seq,
            one.specials + two.specials,
        )

    def _read_places(
        self,
        datas: Sequence[bytes],
        leaves: list[bytes],
        first: int,
        prev: bytes | None,
        digits: int,
    ) -> Block | None:
        cuts = [data.rfind(_TYPE) for data in datas]
        length = len(self._log) + 64 + len('","seq":') + digits + len(',"time":"')
        start, time_start = length + _TIME_LENGTH, _TIME_LENGTH
        if min(cuts) < start:
            return None
        if prev is None:
            at = cuts[0] - start + len(self._log)
            prev = _hash_at(datas[0], at)
        heads = b"".join(
            [data[cut - start : cut - time_start] for data, cut in zip(datas, cuts, strict=True)]
        )
        if prev is None or heads != self._expected_heads(prev, leaves, first):
            return None
        tails = [data[cut:] for data, cut in zip(datas, cuts, strict=True)]
        types = _read_types(tails)
        times = [data[cut - time_start : cut] for data, cut in zip(datas, cuts, strict=True)]
        is_sorted = sorted(times) == times
        if types is None or not _are_times(times, is_sorted=is_sorted):
            return None
        if self._depth is not Depth.BYTES and not self._have_fields(datas, cuts, start):
            return None
        clock_seq = None
        if not is_sorted:
            steps = enumerate(pairwise(times), first + 1)
            clock_seq = next(seq for seq, (before, after) in steps if after < before)
        specials = _read_specials(datas, tails, types, first)
        if specials is None:
            return None
        return Block(prev, leaves, times[0].decode(), times[-1].decode(), clock_seq, specials)

    def _expected_heads(self, prev: bytes, leaves: list[bytes], first: int) -> bytes:
        hexes = (prev + b"".join(leaves[:-1])).hex()
        log = self._log.decode()
        return "".join(
            [
                f'{log}{hexes[at : at + 64]}","seq":{seq},"time":"'
                for seq, at in enumerate(range(0, len(hexes), 64), first)
            ]
        ).encode()

    def _have_fields(self, datas: Sequence[bytes], cuts: Sequence[int], start: int) -> bool:
        """Whether all is as it must be up to the end, which begins `start` bytes before the cut."""
        try:
            for data, cut in zip(datas, cuts, strict=True):
                at = data.find(_BODY) + len(_BODY)
                if data[:at] not in self._actors:
                    if not self._learn(data):
                        return False
                    continue
                body = squeeze(data[at : cut - start])
                if body not in self._bodies and not self._is_body(body):
                    return False
        except CanonicalError:
            return False
        return True

    def _is_body(self, body: bytes) -> bool:
        """In a list, so that it is one value and as deep as in an entry."""
        value = self._decode(b"[" + body + b"]")
        if type(value) is not list or len(value) != 1 or type(value[0]) is not dict:
            return False
        if len(body) <= _KEPT_BYTES and len(self._bodies) < _MOST_KEPT:
            self._bodies.add(body)
        return True

    def _learn(self, data: bytes) -> bool:
        """Read a whole entry, and remember its beginning. The end showed all other fields."""
        value = self._decode(squeeze(data))
        if type(value) is not dict or value.keys() != ENTRY_FIELDS:
            return False
        actor = value["actor"]
        if type(actor) is not str or not actor or type(value["body"]) is not dict:
            return False
        beginning = b'{"actor":' + canonical.encode(actor) + b',"body":'
        if data.startswith(beginning) and len(self._actors) < _MOST_KEPT:
            self._actors.add(beginning)
        return True


def _read_types(tails: Sequence[bytes]) -> dict[bytes, str] | None:
    """The types by the ends of entries that hold them; None for any that is not plain text."""
    found: dict[bytes, str] = {}
    for tail in set(tails):
        name = tail[len(_TYPE) : -len(_END)]
        if not tail.endswith(_END) or not name or not _PLAIN_TYPE.issuperset(name):
            return None
        found[tail] = name.decode()
    return found


def _are_times(times: Sequence[bytes], *, is_sorted: bool) -> bool:
    joined = b"".join(times)
    if joined.translate(_AS_ZEROS) != _TIME_FORM * len(times):
        return False
    if max(joined[17::_TIME_LENGTH]) > 0x35:  # seconds from 00 to 59
        return False
    first, last = times[0][:16], times[-1][:16]
    minutes = {first} if is_sorted and first == last else {time[:16] for time in times}
    return all(is_entry_time(minute.decode() + ":00.000000Z") for minute in minutes)


def _read_specials(
    datas: Sequence[bytes], tails: Sequence[bytes], types: dict[bytes, str], first: int
) -> list[Special] | None:
    if not any(name.encode() in _READ_WHOLE for name in types.values()):
        return []
    wanted = {tail: name for tail, name in types.items() if name.encode() in _READ_WHOLE}
    found: list[Special] = []
    for at, tail in enumerate(tails):
        name = wanted.get(tail)
        if name is None:
            continue
        if name == EVALUATIONS:
            found.append(Special(first + at, name, {}, count_items(datas[at])))
            continue
        try:
            found.append(Special(first + at, name, read_fields(datas[at])["body"]))
        except EntryError:
            return None
    return found


def _hash_at(data: bytes, at: int) -> bytes | None:
    try:
        text = data[at : at + 64].decode()
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return found if found.hex() == text and len(found) == len(GENESIS) else None
