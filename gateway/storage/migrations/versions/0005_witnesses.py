"""What others said of the log's checkpoints: cosignatures of witnesses, RFC 3161 timestamps."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


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
    """What is lost can be had again for newer checkpoints only: keep a backup."""
    op.drop_table("timestamps")
    op.drop_table("cosigned")
