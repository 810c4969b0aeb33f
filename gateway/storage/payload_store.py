"""Rows of sealed payloads and their wrapped keys, over a transaction that the caller holds."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import delete, literal, select

from gateway.storage.engine import Connection
from gateway.storage.tables import month_keys, payload_keys, payloads

_IN_LIST = 500  # SQLite's parameter limit was 999 for long


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


class SealedPayload(NamedTuple):
    """What opening a payload needs; `wrapped` and `month_wrapped` are None once erased."""

    sealed: bytes
    month_key: str | None
    wrapped: bytes | None
    month_wrapped: bytes | None


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
    if not rows:
        return
    connection.execute(
        payloads.insert(),
        [
            {
                "class_id": row.class_id,
                "log": log,
                "month": row.month,
                "region": row.region,
                "retention_class": row.retention_class,
                "sealed": row.sealed,
            }
            for row in rows
        ],
    )
    connection.execute(
        payload_keys.insert(),
        [
            {"class_id": row.class_id, "month_key": row.month_key, "wrapped": row.wrapped}
            for row in rows
        ],
    )


def read_payload(connection: Connection, log: str, class_id: str) -> SealedPayload | None:
    """The payload with what is left of its keys, or None when the log has no such class."""
    query = (
        select(
            payloads.c.sealed,
            payload_keys.c.month_key,
            payload_keys.c.wrapped,
            month_keys.c.wrapped,
        )
        .select_from(payloads)
        .join(payload_keys, payload_keys.c.class_id == payloads.c.class_id, isouter=True)
        .join(month_keys, month_keys.c.id == payload_keys.c.month_key, isouter=True)
        .where(payloads.c.log == log, payloads.c.class_id == class_id)
    )
    row = connection.execute(query).first()
    return None if row is None else SealedPayload(*row)


class FoundPayload(NamedTuple):
    """A payload with its month's key id and what is left of its keys, as `SealedPayload`; here the
    month's key is found by what the payload's row says, whether or not its own key stands."""

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
    month_key = (
        literal(log + "/") + columns.region + "/" + columns.retention_class + "/" + columns.month
    )
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


def find_months(connection: Connection, log: str) -> set[str]:
    """The months (`YYYY-MM`) of which some key of this log stands."""
    query = select(month_keys.c.id, month_keys.c.month)
    # Not LIKE: an origin may hold its wildcards.
    return {month for key_id, month in connection.execute(query) if key_id.startswith(log + "/")}


def delete_payload_key(connection: Connection, log: str, class_id: str) -> bool:
    """Delete the only key to a payload of this log; whether there was one."""
    own = select(payloads.c.class_id).where(payloads.c.log == log)
    query = delete(payload_keys).where(
        payload_keys.c.class_id == class_id, payload_keys.c.class_id.in_(own)
    )
    return connection.execute(query).rowcount > 0
