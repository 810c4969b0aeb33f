"""The journal, with a row for each activation that older logs hold."""

import json

import sqlalchemy as sa
from alembic import op

from gateway.storage.downgrades import refuse_unknown_types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ACTIVATED = "bundle.activated"
_MARK = f'"type":"{_ACTIVATED}"'.encode()


def upgrade() -> None:
    table = op.create_table(
        "journal",
        sa.Column("log", sa.Text(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
    )
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    place = "instr(bytes, :mark)" if is_sqlite else "position(:mark IN bytes)"
    found = connection.execute(
        sa.text(f"SELECT log, seq, bytes FROM entries WHERE {place} > 0"),  # noqa: S608 - our words
        {"mark": _MARK},
    )
    rows = [
        {"log": log, "seq": seq, "type": _ACTIVATED}
        for log, seq, data in found
        if _is_activation(data)
    ]
    if rows:
        op.bulk_insert(table, rows)


def downgrade() -> None:
    """Rows of activations are made again on the way up; there is nothing to read others from."""
    refuse_unknown_types(op.get_bind(), [_ACTIVATED], "0001")
    op.drop_table("journal")


def _is_activation(data: bytes) -> bool:
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        return False  # no entry at all: verifying the log says so
    return isinstance(entry, dict) and entry.get("type") == _ACTIVATED
