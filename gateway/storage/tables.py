"""The tables, as SQLAlchemy Core. What the log's promises rest on is `entries.bytes` alone; every
other column can be derived from it, or is sealed."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

entries = Table(
    "entries",
    metadata,
    Column("log", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("bytes", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
)

# `edge`: the tree's right edge at `size`, from which a restart goes on without rehashing.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("log", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("edge", LargeBinary, nullable=False),
)

# Where the journal entries are: one row each, written with the entry. Without it, knowing what is
# in force would mean reading the whole log. `mark`: see gateway.audit.marks.
journal = Table(
    "journal",
    metadata,
    Column("log", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("mark", LargeBinary, nullable=True),
)

# C2SP tlog-tiles: level L holds hashes of tree level 8L, up to 256 of 32 bytes. Level 0 has full
# tiles only (the rest are in `entries`); above it the last tile may be short and grows in place.
tiles = Table(
    "tiles",
    metadata,
    Column("log", Text, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

month_keys = Table(
    "month_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("region", Text, nullable=False),
    Column("retention_class", Text, nullable=False),
    Column("month", String(7), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)

payloads = Table(
    "payloads",
    metadata,
    Column("class_id", String(48), primary_key=True),
    Column("log", Text, nullable=False),
    Column("month", String(7), nullable=False),
    Column("region", Text, nullable=False),
    Column("retention_class", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# Apart from `payloads`, because erasing is deleting here and archives never carry this table.
# No foreign key to month_keys: a month expires by deleting its key alone.
payload_keys = Table(
    "payload_keys",
    metadata,
    Column("class_id", String(48), ForeignKey("payloads.class_id"), primary_key=True),
    Column("month_key", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)

# By hash: bundle archives, signed floors, impact reports.
bundles = Table(
    "bundles",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("archive", LargeBinary, nullable=False),
)

# `seq` and `position` name a verdict: the evaluations entry and the place in its items.
daily_counts = Table(
    "daily_counts",
    metadata,
    Column("log", Text, primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)

# Entries below `next_seq` are in daily_counts; both move in one transaction, so counts are exact.
count_marks = Table(
    "count_marks",
    metadata,
    Column("log", Text, primary_key=True),
    Column("next_seq", BigInteger, nullable=False),
)

ledger_heads = Table(
    "ledger_heads",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("boot_epoch", String(32), primary_key=True),
    Column("report", BigInteger, nullable=False),
    Column("counters", Text, nullable=False),
)

# Checkpoints with the signature lines of witnesses; they vouch for themselves.
cosigned = Table(
    "cosigned",
    metadata,
    Column("log", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)

# RFC 3161 tokens (DER) over SHA-256 of `note_text`, the text of the checkpoint of `size`.
timestamps = Table(
    "timestamps",
    metadata,
    Column("log", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("authority", Text, primary_key=True),
    Column("note_text", Text, nullable=False),
    Column("token", LargeBinary, nullable=False),
)
