"""The table of activations goes: what is in force is folded from the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("activations")


def downgrade() -> None:
    """The gateways of 0003 neither wrote nor read it any more: it comes back empty."""
    op.create_table(
        "activations",
        sa.Column("log", sa.Text(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.String(64), nullable=False),
        sa.Column("activated_at", sa.String(27), nullable=False),
    )
