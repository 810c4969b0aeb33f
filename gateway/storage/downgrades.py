"""What a migration back must not lose. Each refusal names it; the database stays as it is."""

from collections.abc import Collection

import sqlalchemy as sa
from alembic.util import CommandError

_NAMED = 5


def refuse_unknown_types(connection: sa.Connection, known: Collection[str], version: str) -> None:
    """Refuse while the journal has entries of types that a gateway of `version` cannot fold."""
    query = sa.text(
        "SELECT log, type, count(*), min(seq) FROM journal WHERE type NOT IN :known "
        "GROUP BY log, type ORDER BY log, type"
    ).bindparams(sa.bindparam("known", sorted(known), expanding=True))
    found = [
        f"{count} of type {kind} in log {log} (the first is entry {seq})"
        for log, kind, count, seq in connection.execute(query)
    ]
    _refuse(found, f"entries that version {version} cannot read", version)


def refuse_unsealed_marks(connection: sa.Connection, version: str) -> None:
    """Refuse while a journal entry has nothing but its mark to vouch for it."""
    query = sa.text(
        "SELECT journal.log, count(*), min(seq) FROM journal WHERE mark IS NOT NULL AND seq >= "
        "(SELECT coalesce(max(size), 0) FROM checkpoints WHERE checkpoints.log = journal.log) "
        "GROUP BY journal.log ORDER BY journal.log"
    )
    found = [
        f"{count} of log {log} (the first is entry {seq})"
        for log, count, seq in connection.execute(query)
    ]
    what = "journal entries that no checkpoint covers yet, so that only their marks vouch for them"
    _refuse(found, what, version)


def refuse_rows(connection: sa.Connection, tables: Collection[str], version: str) -> None:
    """Refuse while any of the tables has rows."""
    found = []
    for table in tables:
        query = sa.text(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own names
        count = connection.execute(query).scalar()
        if count:
            found.append(f"{count} in {table}")
    _refuse(found, "rows that would be lost", version)


def _refuse(found: list[str], what: str, version: str) -> None:
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise CommandError(f"before version {version}: {what}: {', '.join(found[:_NAMED])}{more}")
