"""Putting many rows into a table at the driver's own speed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Table

from gateway.storage.engine import Connection
from gateway.storage.postgresql import copy_rows


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert all rows, each with a value for every column of the table in its order, or raise."""
    if not rows:
        return  # a driver would take an empty list for one row without values
    is_sqlite = connection.dialect.name == "sqlite"
    if len(rows) > 1 and not is_sqlite:
        # Four times as fast as INSERT, which takes fewer messages for a single row.
        types = [_COPY_TYPES.get(type(column.type), "text") for column in table.columns]
        copy_rows(connection, table.name, list(table.columns.keys()), types, rows)
        return
    columns = list(table.columns.keys())
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" if is_sqlite else "%s" for _ in table.columns)
    # The driver's own words: Core's row dictionaries cost more than the insert.
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
        list(rows) if is_sqlite else rows[0],
    )


_COPY_TYPES = {BigInteger: "int8", Integer: "int4", LargeBinary: "bytea"}
