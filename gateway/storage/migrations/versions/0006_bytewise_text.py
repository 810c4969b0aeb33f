"""On PostgreSQL texts are compared byte by byte, as on SQLite. The order of a locale changes with
the operating system's libraries, and an index that was built in another order finds nothing."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXTS = {
    "entries": ("log",),
    "checkpoints": ("log", "note"),
    "journal": ("log", "type"),
    "tiles": ("log",),
    "month_keys": ("id", "region", "retention_class", "month"),
    "payloads": ("class_id", "log", "month", "region", "retention_class"),
    "payload_keys": ("class_id", "month_key"),
    "bundles": ("hash",),
    "daily_counts": ("log", "day"),
    "count_marks": ("log",),
    "ledger_heads": ("collector", "boot_epoch", "counters"),
    "cosigned": ("log", "note"),
    "timestamps": ("log", "authority", "note_text"),
}


def upgrade() -> None:
    _collate("C")


def downgrade() -> None:
    _collate("default")


def _collate(collation: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in _TEXTS.items():
        changes = ", ".join(
            f'ALTER COLUMN "{name}" TYPE text COLLATE "{collation}"' for name in columns
        )
        op.execute(f"ALTER TABLE {table} {changes}")
