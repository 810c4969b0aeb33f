"""The journal's marks. Rows that stand have none: a checkpoint vouches for their entries."""

import sqlalchemy as sa
from alembic import op

from gateway.storage.downgrades import refuse_unknown_types, refuse_unsealed_marks

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KNOWN = (
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
    op.add_column("journal", sa.Column("mark", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Marks are lost and checkpoints vouch in their place, as on the way up."""
    connection = op.get_bind()
    refuse_unknown_types(connection, _KNOWN, "0002")
    refuse_unsealed_marks(connection, "0002")
    op.drop_column("journal", "mark")
