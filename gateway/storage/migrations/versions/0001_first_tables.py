"""The first tables.

Written out, not taken from `gateway.storage.tables`: a version never changes after its release.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway.storage.downgrades import refuse_rows

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_REFERRING = ("payload_keys",)
_TABLES = (
    "entries",
    "checkpoints",
    "tiles",
    "month_keys",
    "payloads",
    "activations",
    "bundles",
    "daily_counts",
    "count_marks",
    "ledger_heads",
)


def upgrade() -> None:
    _create_log()
    _create_payloads()
    _create_policy()
    _create_counts()


def downgrade() -> None:
    """To nothing at all, while nothing is there."""
    tables = _REFERRING + _TABLES
    refuse_rows(op.get_bind(), tables, "0001")
    for table in tables:
        op.drop_table(table)


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)


def _value(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _create_log() -> None:
    op.create_table(
        "entries",
        _key("log", sa.Text()),
        _key("seq", sa.BigInteger()),
        _value("bytes", sa.LargeBinary()),
        _value("leaf_hash", sa.LargeBinary()),
    )
    op.create_table(
        "checkpoints",
        _key("log", sa.Text()),
        _key("size", sa.BigInteger()),
        _value("root", sa.LargeBinary()),
        _value("note", sa.Text()),
        _value("edge", sa.LargeBinary()),
    )
    op.create_table(
        "tiles",
        _key("log", sa.Text()),
        _key("level", sa.Integer()),
        _key("idx", sa.BigInteger()),
        _value("hashes", sa.LargeBinary()),
    )


def _create_payloads() -> None:
    op.create_table(
        "month_keys",
        _key("id", sa.Text()),
        _value("region", sa.Text()),
        _value("retention_class", sa.Text()),
        _value("month", sa.String(7)),
        _value("wrapped", sa.LargeBinary()),
    )
    op.create_table(
        "payloads",
        _key("class_id", sa.String(48)),
        _value("log", sa.Text()),
        _value("month", sa.String(7)),
        _value("region", sa.Text()),
        _value("retention_class", sa.Text()),
        _value("sealed", sa.LargeBinary()),
    )
    op.create_table(
        "payload_keys",
        _key("class_id", sa.String(48)),
        _value("month_key", sa.Text()),
        _value("wrapped", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["class_id"], ["payloads.class_id"]),
    )


def _create_policy() -> None:
    op.create_table(
        "activations",
        _key("log", sa.Text()),
        _key("number", sa.BigInteger()),
        _value("bundle", sa.String(64)),
        _value("revision", sa.Text()),
        _value("version", sa.BigInteger()),
        _value("floor", sa.String(64)),
        _value("activated_at", sa.String(27)),
    )
    op.create_table(
        "bundles",
        _key("hash", sa.String(64)),
        _value("archive", sa.LargeBinary()),
    )


def _create_counts() -> None:
    op.create_table(
        "daily_counts",
        _key("log", sa.Text()),
        _key("day", sa.String(10)),
        _key("seq", sa.BigInteger()),
        _key("position", sa.Integer()),
        _value("count", sa.BigInteger()),
    )
    op.create_table(
        "count_marks",
        _key("log", sa.Text()),
        _value("next_seq", sa.BigInteger()),
    )
    op.create_table(
        "ledger_heads",
        _key("collector", sa.Text()),
        _key("boot_epoch", sa.String(32)),
        _value("report", sa.BigInteger()),
        _value("counters", sa.Text()),
    )
