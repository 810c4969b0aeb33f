"""The log as a PostgreSQL database holds it, for verification: one snapshot, read-only, through
cursors of the server, so that memory does not grow with the log. Needs SELECT and nothing else."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from gateway.storage.engine import parse_address
from gateway.storage.errors import describe_address, describe_error
from gateway.storage.postgresql import BoundedConnection, connect
from gateway.transparency.databases import MONTH_KEY, Database, choose_log, split_tiles, tiles_of
from gateway.transparency.errors import SourceError
from gateway.transparency.source import Opener, Row, StoredPayload, StoredRow

_BATCH_ROWS = 2_000
_PATIENCE_SECONDS = 600.0  # a damaged index may mean sorting the whole log before the first row
_BESIDE = ("tiles", "journal", "payloads", "payload_keys", "month_keys")
_TABLES = ("entries", "checkpoints", "cosigned", *_BESIDE)
_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL jit = off",
)


@dataclass(frozen=True, slots=True)
class PostgresOpener:
    """Opens the same snapshot in another process, as long as its source is open."""

    address: str = field(repr=False)  # holds the password
    origin: str
    snapshot: str

    def __call__(self) -> "PostgresSource":
        return PostgresSource(self.address, self.origin, self.snapshot)


class PostgresSource(Database):
    """One log in a database: a `DatabaseSource`. Close it after use."""

    def __init__(self, address: str, log: str | None = None, snapshot: str | None = None) -> None:
        """Connect to `postgresql://user@host/database`; raises SourceError when it cannot be read,
        holds no log, or holds several and `log` does not say which; ConfigError for an address
        that is none."""
        self._address = address
        self._url = parse_address(address)
        self._shown = describe_address(self._url)
        self._names = count()
        self._connection = self._connect(self._url)
        try:
            self._begin(snapshot)
            self._tables = self._find_tables()
            self.origin = self._choose(log)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """End the snapshot and let go of the database."""
        self._connection.close()

    def estimate_entries(self) -> int:
        """The highest sequence number and one: exact for a whole log."""
        row = self._one("SELECT max(seq) FROM entries WHERE log = %s", self.origin)
        return row[0] + 1 if isinstance(row[0], int) else 0

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        """Batches of (seq, bytes, leaf_hash) from entry `first` on, in order."""
        where = "" if not first else "AND seq >= %s"  # from 0: every row
        query = f"SELECT seq, bytes, leaf_hash FROM entries WHERE log = %s {where} ORDER BY seq"  # noqa: S608 - our own words
        return self._batches(query, self.origin, *([first] if first else []))

    def checkpoints(self, from_size: int = 0) -> Iterator[StoredRow]:
        """(size, root, note) in order of size, smallest first."""
        where = "" if not from_size else "AND size >= %s"
        query = (
            "SELECT size, root, convert_to(note, 'UTF8') FROM checkpoints "  # noqa: S608 - our own words
            f"WHERE log = %s {where} ORDER BY size"
        )
        return self._rows("checkpoints", query, self.origin, *([from_size] if from_size else []))

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        """As LogSource: out of the full tiles of level 0."""
        if first >= stop:
            return []
        query = (
            "SELECT idx, hashes FROM tiles WHERE log = %s AND level = 0 "
            "AND idx BETWEEN %s AND %s ORDER BY idx"
        )
        rows = self._rows("tiles", query, self.origin, *tiles_of(first, stop))
        return split_tiles(rows, first, stop)

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        """(level, index, joined hashes), level 0 first."""
        query = "SELECT level, idx, hashes FROM tiles WHERE log = %s ORDER BY level, idx"
        return self._rows("tiles", query, self.origin)

    def opener(self) -> Opener | None:
        """As LogSource: the same snapshot, while this source is open."""
        try:
            snapshot = self._one("SELECT pg_export_snapshot()")[0]
        except SourceError:
            return None  # a server that cannot share it
        return PostgresOpener(self._address, self.origin, str(snapshot))

    @property
    def is_extract(self) -> bool:
        """Whether it is a copy of entries and checkpoints alone, with nothing beside them."""
        return not self._tables.intersection(_BESIDE)

    def edges(self) -> Iterator[tuple[object, object]]:
        """(size, edge) of stored checkpoints, in order of size."""
        query = "SELECT size, edge FROM checkpoints WHERE log = %s ORDER BY size"
        return self._rows("checkpoints", query, self.origin)

    def journal_rows(self) -> Iterator[tuple[object, object]]:
        """(seq, type), in order of seq."""
        query = "SELECT seq, type FROM journal WHERE log = %s ORDER BY seq"
        return self._rows("journal", query, self.origin)

    def cosigned(self) -> Iterator[StoredRow]:
        """(size, None, note), in order of size."""
        query = (
            "SELECT size, NULL, convert_to(note, 'UTF8') FROM cosigned WHERE log = %s ORDER BY size"
        )
        return self._rows("cosigned", query, self.origin)

    def count_payloads(self) -> int:
        """How many payload rows there are."""
        if "payloads" not in self._tables:
            return 0
        return int(self._one("SELECT count(*) FROM payloads WHERE log = %s", self.origin)[0])

    def payloads(self, class_ids: Collection[str]) -> Mapping[str, StoredPayload]:
        """As DatabaseSource."""
        query = (
            f"SELECT payloads.class_id, sha256(sealed), month_key, {MONTH_KEY}, "  # noqa: S608 - our own
            "month_keys.id IS NOT NULL FROM payloads "
            "LEFT JOIN payload_keys ON payload_keys.class_id = payloads.class_id "
            "LEFT JOIN month_keys ON month_keys.id = payload_keys.month_key "
            "WHERE payloads.log = %s AND payloads.class_id = ANY(%s)"
        )
        rows = self._rows("payloads", query, self.origin, list(class_ids))
        return {
            class_id: StoredPayload(
                digest,
                month_key or "",
                place,
                has_key=month_key is not None,
                has_month_key=has_month,
            )
            for class_id, digest, month_key, place, has_month in rows
        }

    def those_in(self, table: str, column: str, values: Collection[str]) -> set[str]:
        """As Database."""
        if not values:
            return set()
        query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} = ANY(%s)"  # noqa: S608 - our own
        return {row[0] for row in self._rows(table, query, list(values))}

    def _connect(self, url: URL) -> BoundedConnection:
        try:
            return connect(url, _PATIENCE_SECONDS)
        except psycopg.Error as error:
            raise SourceError(f"cannot connect to {self._shown}: {describe_error(error)}") from None

    def _begin(self, snapshot: str | None) -> None:
        begin, *settings = _BEGIN
        if snapshot is not None:
            name = psycopg.sql.Literal(snapshot).as_string(self._connection)
            settings.insert(0, f"SET TRANSACTION SNAPSHOT {name}")
        with self._reading():
            self._connection.execute("; ".join([begin, *settings]).encode())

    def _find_tables(self) -> frozenset[str]:
        query = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL"
        with self._reading():
            rows = self._connection.execute(query, [list(_TABLES)]).fetchall()
        return frozenset(row[0] for row in rows)

    def _choose(self, log: str | None) -> str:
        if not {"entries", "checkpoints"} <= self._tables:
            raise SourceError(f"{self._shown} is a database, but not a gateway's: it has no log")
        logs = sorted({*self._logs("entries"), *self._logs("checkpoints")})
        return choose_log(self._shown, logs, log)

    def _logs(self, table: str) -> Iterator[str]:
        """The distinct logs, by skipping along the index instead of reading every row."""
        query, after = f"SELECT min(log) FROM {table} WHERE log > %s", ""  # noqa: S608 - our own names
        while (found := self._one(query, after)[0]) is not None:
            after = str(found)
            yield after

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        with self._reading():
            row = self._connection.execute(query.encode(), values).fetchone()
        assert row is not None
        return tuple(row)

    def _rows(self, table: str, query: str, *values: object) -> Iterator[Any]:
        """All rows, streamed; none where there is no such table."""
        if table not in self._tables:
            return iter(())
        return chain.from_iterable(self._batches(query, *values))

    def _batches(self, query: str, *values: object) -> Iterator[list[Any]]:
        cursor = psycopg.ServerCursor(self._connection, f"rows_{next(self._names)}")
        try:
            with self._reading():
                cursor.execute(query.encode(), values, binary=True)
            while True:
                with self._reading():  # never across the yield
                    batch = cursor.fetchmany(_BATCH_ROWS)
                if not batch:
                    return
                yield batch
        finally:
            with self._reading():
                cursor.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise SourceError(f"cannot read {self._shown}: {describe_error(error)}") from None
