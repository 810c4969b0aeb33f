"""What deeds are about, parsed once from a change's `subject` (docs/formats.md section 15)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.changes.deed_port import Month
from gateway.changes.records import refuse_unless, text_of
from gateway.changes.state import Hold, Kind
from gateway.errors import ChangeRefusedError
from gateway.transparency.errors import NoteError
from gateway.transparency.notes import Verifier, short_vkey

MAX_MONTH_KEYS = 200
MAX_CLASSES = 500
TILE_ENTRIES = 256

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_CLASS_ID = re.compile(r"[0-9a-f]{48}")


@dataclass(frozen=True, slots=True)
class PayloadPurge:
    """The payloads of whole months; `payloads` is how many there were when it was asked for."""

    month_keys: tuple[str, ...]
    payloads: int

    def is_kept_by(self, hold: Hold) -> bool:
        return any(hold.keeps(parse_month_key(key)) for key in self.month_keys)


@dataclass(frozen=True, slots=True)
class EntryPurge:
    """Entries `first` to `last`, made from month `from_month` to `to_month`. An entry is not of one
    region or class, so a hold of any keeps it."""

    first: int
    last: int
    from_month: str
    to_month: str

    def is_kept_by(self, hold: Hold) -> bool:
        return hold.keeps_span(self.from_month, self.to_month)

    def overlaps(self, first: int, last: int) -> bool:
        return self.first <= last and first <= self.last


@dataclass(frozen=True, slots=True)
class Erasure:
    """Single payloads; `months` are the month keys that they are sealed under."""

    classes: tuple[str, ...]
    months: tuple[str, ...]
    request: str

    def is_kept_by(self, hold: Hold) -> bool:
        return any(hold.keeps(parse_month_key(key)) for key in self.months)


@dataclass(frozen=True, slots=True)
class Release:
    """The end of the hold `hold`, which is what a hold cannot keep."""

    hold: str

    def is_kept_by(self, hold: Hold) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Handover:
    """The log's key changes from `old` to `new`, both vkeys."""

    old: str
    new: str

    def is_kept_by(self, hold: Hold) -> bool:
        return False


Deed = PayloadPurge | EntryPurge | Erasure | Release | Handover


def parse_deed(kind: Kind, subject: Mapping[str, Any]) -> Deed:
    """Raises ChangeRefusedError, KeyError, TypeError or ValueError unless the subject is of the
    agreed form and has no other member."""
    match kind:
        case Kind.PURGE if subject["what"] == "payloads":
            _verify_members(subject, "what", "month_keys", "payloads")
            keys = _texts(subject, "month_keys", MAX_MONTH_KEYS)
            for key in keys:
                parse_month_key(key)
            return PayloadPurge(keys, _count(subject, "payloads"))
        case Kind.PURGE if subject["what"] == "entries":
            return _parse_entry_purge(subject)
        case Kind.ERASURE:
            return _parse_erasure(subject)
        case Kind.RELEASE:
            _verify_members(subject, "hold")
            return Release(text_of(subject, "hold"))
        case Kind.KEY:
            return _parse_handover(subject)
    raise ValueError(f"{kind} of {subject.get('what')}")


def parse_month_key(key: str) -> Month:
    """From `<log>/<region>/<retention class>/<month>`; raises ChangeRefusedError."""
    parts = key.rsplit("/", 3)
    refuse_unless(
        len(parts) == 4 and all(parts) and _MONTH.fullmatch(parts[3]),
        f"{key[:200]} is no month key",
    )
    return Month(*parts[1:])


def month_key(log: str, month: Month) -> str:
    """The id of the key that seals this month's payloads in this log."""
    return f"{log}/{month.region}/{month.retention_class}/{month.month}"


def parse_hold(hold_id: str, body: Mapping[str, Any]) -> Hold:
    """Raises ChangeRefusedError, KeyError or TypeError."""
    hold = Hold(
        hold_id,
        text_of(body, "region"),
        text_of(body, "retention_class"),
        text_of(body, "from"),
        text_of(body, "to"),
    )
    for month in (hold.from_month, hold.to_month):
        refuse_unless(not month or _MONTH.fullmatch(month), f"{month[:20]!r} is no month YYYY-MM")
    refuse_unless(
        not hold.to_month or hold.from_month <= hold.to_month, "the hold ends before it begins"
    )
    return hold


def describe_deed(deed: Deed) -> str:
    """What is done, in a few words."""
    match deed:
        case PayloadPurge():
            months = [parse_month_key(key).month for key in deed.month_keys]
            span = _span(min(months), max(months))
            keys = _number(len(months), "month key")
            return f"{_number(deed.payloads, 'payload')} of {span} ({keys})"
        case EntryPurge():
            return f"entries {deed.first} to {deed.last} of {_span(deed.from_month, deed.to_month)}"
        case Erasure():
            months = [parse_month_key(key).month for key in deed.months]
            span = _span(min(months), max(months))
            return f"{_number(len(deed.classes), 'payload')} of {span}, request {deed.request}"
        case Release():
            return f"the end of hold {deed.hold}"
        case Handover():
            return f"the log's key {short_key(deed.old)} to {short_key(deed.new)}"


def describe_hold(hold: Hold) -> str:
    """What it keeps, in a few words."""
    region, kind = hold.region or "any region", hold.retention_class or "any class"
    if not hold.from_month and not hold.to_month:
        return f"{region}, {kind}, all months"
    begin, end = hold.from_month or "the beginning", hold.to_month or "the end"
    return f"{region}, {kind}, {_span(begin, end)}"


def short_key(vkey: str) -> str:
    """A vkey without its long part: name and key id."""
    return short_vkey(vkey)


def _parse_entry_purge(subject: Mapping[str, Any]) -> EntryPurge:
    _verify_members(subject, "what", "first", "last", "from", "to")
    deed = EntryPurge(
        _count(subject, "first"),
        _count(subject, "last"),
        text_of(subject, "from"),
        text_of(subject, "to"),
    )
    refuse_unless(
        deed.first % TILE_ENTRIES == 0
        and (deed.last + 1) % TILE_ENTRIES == 0
        and deed.first < deed.last,
        f"entries {deed.first} to {deed.last} are no whole groups of {TILE_ENTRIES}",
    )
    refuse_unless(
        _MONTH.fullmatch(deed.from_month)
        and _MONTH.fullmatch(deed.to_month)
        and deed.from_month <= deed.to_month,
        "the months of the entries are not from YYYY-MM to YYYY-MM",
    )
    return deed


def _parse_erasure(subject: Mapping[str, Any]) -> Erasure:
    _verify_members(subject, "classes", "months", "request")
    deed = Erasure(
        _texts(subject, "classes", MAX_CLASSES),
        _texts(subject, "months", MAX_MONTH_KEYS),
        text_of(subject, "request"),
    )
    refuse_unless(all(map(_CLASS_ID.fullmatch, deed.classes)), "a class id is 48 hex digits")
    for key in deed.months:
        parse_month_key(key)
    refuse_unless(deed.request.strip(), "an erasure names the request that it is for")
    return deed


def _parse_handover(subject: Mapping[str, Any]) -> Handover:
    _verify_members(subject, "old", "new")
    deed = Handover(text_of(subject, "old"), text_of(subject, "new"))
    try:
        old, new = Verifier.from_vkey(deed.old), Verifier.from_vkey(deed.new)
    except NoteError as error:
        raise ChangeRefusedError(str(error)) from None
    refuse_unless(old.name == new.name, "both keys are named as the log")
    refuse_unless(old.public_key != new.public_key, "the new key is the old one")
    return deed


def _verify_members(subject: Mapping[str, Any], *names: str) -> None:
    refuse_unless(subject.keys() == set(names), f"the subject has exactly {', '.join(names)}")


def _texts(subject: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    values = subject[name]
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
        raise TypeError(name)
    refuse_unless(0 < len(values) <= most, f"{name}: from 1 to {most}")
    refuse_unless(len(set(values)) == len(values), f"{name}: one is named twice")
    return tuple(values)


def _count(subject: Mapping[str, Any], name: str) -> int:
    value = subject[name]
    if type(value) is not int or value < 0:
        raise TypeError(name)
    return value


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"
