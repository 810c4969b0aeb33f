"""The journal's marks. Rows that stand have none: a checkpoint vouches for their entries."""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("mark", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    raise CommandError("a log is never migrated backwards: restore the backup instead")
