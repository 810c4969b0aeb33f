"""Log entries: exact canonical bytes, written fast, read strictly (docs/formats.md section 9)."""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict, cast

from gateway import canonical
from gateway.clock import format_time, parse_time
from gateway.errors import CanonicalError
from gateway.transparency.errors import EntryError

MAX_ENTRY_BYTES = 65_535  # C2SP tlog-tiles: a bundle gives an entry's length in 16 bits
HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)

_VERSION = 1
ENTRY_FIELDS = frozenset({"actor", "body", "log", "prev", "seq", "time", "type", "v"})
_is_hash = re.compile(r"[0-9a-f]{64}").fullmatch
_is_time = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{6}Z"
).fullmatch
_quote = lru_cache(maxsize=1024)(canonical.encode)  # origins, actors and types recur


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, parsed. `prev` is the leaf hash (32 bytes) of the entry before."""

    origin: str
    seq: int
    prev: bytes
    time_us: int
    type: str
    actor: str
    body: dict[str, canonical.Value]


def encode_entry(
    origin: str, seq: int, prev_hash: bytes, time_us: int, type: str, actor: str, body: bytes
) -> bytes:
    """The canonical bytes of an entry whose `body` is already a canonical object.

    The appender's fast path: names are written in RFC 8785's order and `body` is trusted to be
    canonical, never parsed again. Raises EntryError when the entry has no place in the log.
    """
    if len(prev_hash) != HASH_BYTES or not 0 <= seq <= canonical.MAX_SAFE_INTEGER:
        raise EntryError(f"entry {seq}: the sequence number or the hash before it is out of range")
    if not (origin and type and actor and body[:1] == b"{" and body[-1:] == b"}"):
        raise EntryError(f"entry {seq}: log, type and actor must be text, the body an object")
    data = b"".join(
        (
            *(b'{"actor":', _quote(actor), b',"body":', body, b',"log":', _quote(origin)),
            b',"prev":"%b","seq":%d,"time":"' % (prev_hash.hex().encode(), seq),
            *(format_time(time_us).encode(), b'","type":', _quote(type), b',"v":1}'),
        )
    )
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError(f"entry {seq} has {len(data)} bytes, the limit is {MAX_ENTRY_BYTES}")
    return data


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 section 2.1: SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + data).digest()


def parse_entry(data: bytes) -> Entry:
    """The entry of exact bytes; raises EntryError for anything that is not canonical, has other
    fields or types, or is too large."""
    fields = read_fields(data)
    return Entry(
        origin=fields["log"],
        seq=fields["seq"],
        prev=bytes.fromhex(fields["prev"]),
        time_us=_time_us(fields["time"]),
        type=fields["type"],
        actor=fields["actor"],
        body=fields["body"],
    )


class Fields(TypedDict):
    """The fields of an entry as they stand in its JSON, each of its right type and shape."""

    actor: str
    body: dict[str, canonical.Value]
    log: str
    prev: str
    seq: int
    time: str
    type: str
    v: int


def read_fields(data: bytes, *, is_any_form: bool = False) -> Fields:
    """As `parse_entry`, without building an Entry: the verifier's loop compares these as text.
    `is_any_form`: JSON that is not canonical is let pass."""
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError(f"{len(data)} bytes, the limit is {MAX_ENTRY_BYTES}")
    try:
        value = canonical.decode_any(data) if is_any_form else canonical.decode(data)
    except CanonicalError as error:
        raise EntryError(str(error)) from None
    if not isinstance(value, dict) or value.keys() != ENTRY_FIELDS:
        raise EntryError(f"not an object with exactly the fields {', '.join(sorted(ENTRY_FIELDS))}")
    fields = cast(Fields, value)
    _check_shapes(fields)
    return fields


def is_entry_time(text: str) -> bool:
    """Whether `text` is a time as entries have it."""
    try:
        return _is_time(text) is not None and _minute_us(text[:16]) >= 0
    except EntryError:
        return False


def _check_shapes(fields: Fields) -> None:
    # `type(x) is` and not isinstance: JSON's true is a bool, which Python calls an int.
    if type(fields["v"]) is not int or fields["v"] != _VERSION:
        raise EntryError("field v is not 1")
    if type(fields["seq"]) is not int or fields["seq"] < 0:
        raise EntryError("field seq is not a whole number from 0")
    if type(fields["body"]) is not dict:
        raise EntryError("field body is not an object")
    for name in ("actor", "log", "type"):
        if type(fields[name]) is not str or not fields[name]:
            raise EntryError(f"field {name} is not text")
    if type(fields["prev"]) is not str or not _is_hash(fields["prev"]):
        raise EntryError("field prev is not 64 lower-case hex digits")
    if type(fields["time"]) is not str or not _is_time(fields["time"]):
        raise EntryError("field time is not like 2026-01-02T03:04:05.000006Z")
    _minute_us(fields["time"][:16])


def _time_us(text: str) -> int:
    return _minute_us(text[:16]) + int(text[17:19]) * 1_000_000 + int(text[20:26])


# Entries lie in the order of time, and parsing a time anew costs more than hashing the entry.
@lru_cache(maxsize=64)
def _minute_us(minute: str) -> int:
    try:
        return parse_time(f"{minute}:00.000000Z")
    except ValueError:
        raise EntryError(f"field time is not in the calendar: {minute}") from None
