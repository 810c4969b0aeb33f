"""How long payloads and entries are kept, and what of them is due (docs/formats.md section 15)."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.audit.lost import Lost
from gateway.audit.payloads import PayloadVault
from gateway.audit.removals import LawfulLosses
from gateway.audit.removing import read_losses
from gateway.audit.tree import TILE_WIDTH
from gateway.changes.deed_port import DueEntries, DueMonth, DuePlan, Month
from gateway.clock import format_time, parse_time
from gateway.storage import log_store, removal_store
from gateway.storage.engine import Connection, Engine, read_transaction

# What one purge takes at most: it is one transaction, and readers wait for its pages.
MAX_DUE_ENTRIES = 1_024 * TILE_WIDTH
_OPEN_TOGETHER = 2_000
_DAY_US = 86_400_000_000
_DAYS_A_YEAR = 365.2425
_is_month = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])").fullmatch
_TIME_MARK = b',"time":"'
_TIME_BYTES = len("2026-01-02T03:04:05.000006Z")


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """Payloads of this region and retention class are kept for `days` after their month's end; in
    both names `*` stands for any text."""

    region: str
    retention_class: str
    days: int

    def covers(self, month: Month) -> bool:
        """Whether it is the rule's."""
        return _is_like(self.region, month.region) and _is_like(
            self.retention_class, month.retention_class
        )


@dataclass(frozen=True, slots=True)
class Retention:
    """The periods; of the rules the first that covers a month counts, without one it stays."""

    entries_years: int
    rules: tuple[PayloadRule, ...]

    def is_due(self, month: Month, now_us: int) -> bool:
        """Whether the month's payloads have been kept for long enough."""
        for rule in self.rules:
            if rule.covers(month):
                return now_us >= _month_end_us(month.month) + rule.days * _DAY_US
        return False

    def entries_until_us(self, now_us: int) -> int:
        """Entries of this time or before are due."""
        return now_us - int(self.entries_years * _DAYS_A_YEAR * _DAY_US)


class SqlRemovals:
    """Implements `gateway.changes.deed_port.Removals` over one log's database."""

    def __init__(
        self,
        engine: Engine,
        log: str,
        vault: PayloadVault,
        retention: Retention,
        archived_until: Callable[[], int],
        verify_archived: Callable[[int, int], None],
    ) -> None:
        """`archived_until()` is how many entries, from the first on, an archive names;
        `verify_archived(first, last)` reads them there and raises unless they hold."""
        self._engine = engine
        self._log = log
        self._vault = vault
        self._retention = retention
        self._archived_until = archived_until
        self._verify_archived = verify_archived

    def due(self, now_us: int) -> DuePlan:
        """As Removals."""
        archived = self._archived_until()
        with read_transaction(self._engine) as connection:
            months = self._due_months(connection, now_us)
            last = log_store.read_last_checkpoint(connection, self._log)
            stop = min(archived, 0 if last is None else last.size - 1)
            until_us = self._retention.entries_until_us(now_us)
            entries = tuple(_due_entries(connection, self._log, stop, until_us))
        return DuePlan(months, entries)

    def verify_archived(self, first: int, last: int) -> None:
        """As Removals."""
        self._verify_archived(first, last)

    def count_kept(self, first: int, last: int) -> int:
        """As Removals."""
        with read_transaction(self._engine) as connection:
            return removal_store.count_kept(connection, self._log, first, last)

    def openable(self) -> Sequence[str]:
        """As Removals."""
        with read_transaction(self._engine) as connection:
            losses = read_losses(connection, self._log)
            return sorted(
                class_id
                for class_id, key in removal_store.read_openable(connection, self._log)
                if losses.find(class_id, key) is None
            )

    def match(self, class_ids: Sequence[str], attributes: Mapping[str, str]) -> Sequence[str]:
        """As Removals. A payload that does not open belongs to nobody."""
        found = {
            class_id
            for part in self._by_month(class_ids)
            for class_id, payload in self._vault.open_many(dict.fromkeys(part, -1)).items()
            if not isinstance(payload, Lost) and _has(payload, attributes)
        }
        return [class_id for class_id in class_ids if class_id in found]

    def months_of(self, class_ids: Sequence[str]) -> Mapping[str, Month]:
        """As Removals."""
        with read_transaction(self._engine) as connection:
            rows = removal_store.read_months_of(connection, self._log, class_ids)
            return {class_id: Month(*month) for class_id, *month in rows}

    def _by_month(self, class_ids: Sequence[str]) -> Iterator[Sequence[str]]:
        """In parts that are opened together, each of one month key: unwrapping it may be slow."""
        months: defaultdict[Month, list[str]] = defaultdict(list)
        for class_id, month in self.months_of(class_ids).items():
            months[month].append(class_id)
        for month in sorted(months):
            ids = months[month]
            for at in range(0, len(ids), _OPEN_TOGETHER):
                yield ids[at : at + _OPEN_TOGETHER]

    def _due_months(self, connection: Connection, now_us: int) -> tuple[DueMonth, ...]:
        ids = removal_store.read_month_keys(connection, self._log)
        keys = {key_id: month for key_id in ids if (month := _month_of(key_id)) is not None}
        due = {key: month for key, month in keys.items() if self._retention.is_due(month, now_us)}
        if not due:
            return ()
        counts = removal_store.count_payloads(connection, self._log, due)
        return tuple(
            DueMonth(key, month, counts.get(key, 0))
            for key, month in sorted(due.items(), key=lambda item: (item[1].month, item[0]))
        )


def _month_of(key_id: str) -> Month | None:
    """What a month key is for; None for an id that no gateway gave."""
    parts = key_id.rsplit("/", 3)[1:]
    is_ours = len(parts) == 3 and all(parts) and _is_month(parts[2])
    return Month(*parts) if is_ours else None


def _due_entries(
    connection: Connection, log: str, stop: int, until_us: int
) -> Iterator[DueEntries]:
    """Ranges of whole tiles below `stop` whose entries are all there and old enough."""
    losses = read_losses(connection, log)
    left = MAX_DUE_ENTRIES
    for first, end in _unpurged(losses, stop - stop % TILE_WIDTH):
        size, months = _old_entries(connection, log, first, min(end, first + left), until_us)
        if size:
            yield DueEntries(first, first + size - 1, min(months), max(months))
        left -= size
        if size < end - first:
            return  # what comes later is younger, or there is enough of it


def _unpurged(losses: LawfulLosses, stop: int) -> Iterator[tuple[int, int]]:
    first = 0
    for start, end in losses.ranges_in(0, stop):
        if first < start:
            yield first, start
        first = end
    if first < stop:
        yield first, stop


def _old_entries(
    connection: Connection, log: str, first: int, stop: int, until_us: int
) -> tuple[int, set[str]]:
    """How many of first..stop-1 from the first on, in whole tiles, and the months of their times.
    Every time is looked at: a clock may have gone back."""
    seq, months, of_tile = first, set[str](), set[str]()
    last = format_time(until_us)
    for row in log_store.read_entries(connection, log, first):
        time = _time_of(row.data)
        if row.seq != seq or seq >= stop or time > last:
            break
        of_tile.add(time[:7])
        seq += 1
        if seq % TILE_WIDTH == 0:
            months |= of_tile
            of_tile = set()
    return (seq - first) // TILE_WIDTH * TILE_WIDTH, months


def _time_of(data: bytes) -> str:
    """The time of an entry by its canonical bytes: in RFC 8785's order only type and v follow."""
    start = data.rfind(_TIME_MARK) + len(_TIME_MARK)
    return data[start : start + _TIME_BYTES].decode("ascii", "replace")


class _Class(msgspec.Struct):
    attributes: dict[str, str]


class _Payload(msgspec.Struct, rename={"process_class": "class"}):
    process_class: _Class


_decode_payload = msgspec.json.Decoder(_Payload).decode


def _has(payload: bytes, attributes: Mapping[str, str]) -> bool:
    try:
        stored = _decode_payload(payload).process_class.attributes
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return stored.items() >= attributes.items()


def _is_like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def _month_end_us(month: str) -> int:
    year, number = int(month[:4]), int(month[5:7])
    year, number = (year + 1, 1) if number == 12 else (year, number + 1)
    return parse_time(f"{year:04}-{number:02}-01T00:00:00.000000Z")
