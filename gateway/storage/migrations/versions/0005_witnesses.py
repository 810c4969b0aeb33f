"""What others said of the log's checkpoints: cosignatures of witnesses, RFC 3161 timestamps."""

import sqlalchemy as sa
from alembic import op

from gateway.storage.downgrades import refuse_rows, refuse_unknown_types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KNOWN = (
    "alarm.ended",
    "alarm.raised",
    "bundle.activated",
    "change.approved",
    "change.assessed",
    "change.rejected",
    "change.staged",
    "change.tested",
    "exception.ended",
    "exception.granted",
    "protection.added",
    "protection.removed",
    "rollout.ended",
    "rollout.halted",
    "rollout.stepped",
)


def upgrade() -> None:
    op.create_table(
        "cosigned",
        sa.Column("log", sa.Text(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
    )
    op.create_table(
        "timestamps",
        sa.Column("log", sa.Text(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("authority", sa.Text(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("note_text", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    """What others signed cannot be had again for the checkpoints of the past."""
    connection = op.get_bind()
    refuse_unknown_types(connection, _KNOWN, "0004")
    refuse_rows(connection, ("cosigned", "timestamps"), "0004")
    op.drop_table("timestamps")
    op.drop_table("cosigned")
