"""What the machine does with the same bytes, by itself."""

import hashlib
import os
import sqlite3
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

_FSYNCS = 300
_GROUP = 4_096


def sha256_rate(data: Sequence[bytes], count: int) -> tuple[int, float]:
    """Hash `count` of the texts, one core, with the prefix of a leaf; (how many, seconds)."""
    sha256 = hashlib.sha256
    started = time.perf_counter()
    for text in islice(cycle(data), count):
        sha256(b"\x00" + text).digest()
    return count, time.perf_counter() - started


def fsync_rate(folder: Path) -> tuple[int, float]:
    """Write 4 KiB and wait for the disk, again and again."""
    descriptor = os.open(folder / "fsync", os.O_WRONLY | os.O_CREAT, 0o600)
    page = os.urandom(4096)
    started = time.perf_counter()
    try:
        for _ in range(_FSYNCS):
            os.write(descriptor, page)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return _FSYNCS, time.perf_counter() - started


def insert_rate(folder: Path, data: Sequence[bytes], count: int) -> tuple[int, float]:
    """Insert bytes and a hash of 32 bytes, durable after each group, and nothing else."""
    path = folder / "insert.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=8000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE t (seq INTEGER PRIMARY KEY, bytes BLOB, hash BLOB)")
    rows = iter([(seq, text, text[:32]) for seq, text in enumerate(islice(cycle(data), count))])
    started = time.perf_counter()
    while group := list(islice(rows, _GROUP)):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", group)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return count, seconds
