"""The table of activations goes: what is in force is folded from the journal."""

from alembic import op
from alembic.util import CommandError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("activations")


def downgrade() -> None:
    raise CommandError("a log is never migrated backwards: restore the backup instead")
