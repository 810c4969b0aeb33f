"""Rows of sealed payloads and their wrapped keys, over a transaction that the caller holds."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, literal, select

from gateway.storage.engine import Connection
from gateway.storage.rows import insert_rows
from gateway.storage.tables import month_keys, payload_keys, payloads

_IN_LIST = 500  # SQLite's parameter limit was 999 for long


def month_key_of(log: str) -> ColumnElement[str]:
    """The id of the month key that a row of `payloads` lies under."""
    columns = payloads.c
    return literal(log + "/") + columns.region + "/" + columns.retention_class + "/" + columns.month


class MonthKeyRow(NamedTuple):
    """A month's key, wrapped by the key service; `month` is `YYYY-MM`."""

    id: str
    region: str
    retention_class: str
    month: str
    wrapped: bytes


class PayloadRow(NamedTuple):
    """A sealed payload; its key stands apart, wrapped under month key `month_key`."""

    class_id: str
    month: str
    region: str
    retention_class: str
    sealed: bytes
    month_key: str
    wrapped: bytes


def read_month_key(connection: Connection, key_id: str) -> bytes | None:
    """The wrapped key, or None."""
    query = select(month_keys.c.wrapped).where(month_keys.c.id == key_id)
    found: bytes | None = connection.execute(query).scalar()
    return found


def find_month_keys(connection: Connection, key_ids: Collection[str]) -> set[str]:
    """Those of the ids that stand."""
    query = select(month_keys.c.id).where(month_keys.c.id.in_(list(key_ids)))
    return set(connection.execute(query).scalars())


def insert_month_keys(connection: Connection, rows: Sequence[MonthKeyRow]) -> None:
    """Insert new month keys."""
    if rows:
        connection.execute(month_keys.insert(), [row._asdict() for row in rows])


def find_payloads(connection: Connection, class_ids: Sequence[str]) -> set[str]:
    """Those of the class ids that have a payload already."""
    found: set[str] = set()
    for at in range(0, len(class_ids), _IN_LIST):
        part = class_ids[at : at + _IN_LIST]
        query = select(payloads.c.class_id).where(payloads.c.class_id.in_(part))
        found.update(connection.execute(query).scalars())
    return found


def insert_payloads(connection: Connection, log: str, rows: Sequence[PayloadRow]) -> None:
    """Insert payloads and their keys; every class id must be new."""
    insert_rows(
        connection,
        payloads,
        [
            (row.class_id, log, row.month, row.region, row.retention_class, row.sealed)
            for row in rows
        ],
    )
    insert_rows(
        connection, payload_keys, [(row.class_id, row.month_key, row.wrapped) for row in rows]
    )


class FoundPayload(NamedTuple):
    """A payload with its month's key id and what is left of its keys; None: gone. The month's key
    is found by what the payload's row says, whether or not its own key stands."""

    class_id: str
    sealed: bytes
    month_key: str
    wrapped: bytes | None
    month_wrapped: bytes | None


def read_payloads(
    connection: Connection, log: str, class_ids: Sequence[str]
) -> Iterator[FoundPayload]:
    """Those of the payloads that are there, in no order."""
    columns = payloads.c
    month_key = month_key_of(log)
    for at in range(0, len(class_ids), _IN_LIST):
        query = (
            select(
                columns.class_id,
                columns.sealed,
                month_key,
                payload_keys.c.wrapped,
                month_keys.c.wrapped,
            )
            .select_from(payloads)
            .join(payload_keys, payload_keys.c.class_id == columns.class_id, isouter=True)
            .join(month_keys, month_keys.c.id == month_key, isouter=True)
            .where(columns.log == log, columns.class_id.in_(list(class_ids[at : at + _IN_LIST])))
        )
        for row in connection.execute(query):
            yield FoundPayload(*row)
