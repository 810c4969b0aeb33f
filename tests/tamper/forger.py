"""A capable hand at the log's database: raw SQL, and everything that can be computed without the
log's key (and, for those who stole it, with the key)."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway import canonical
from gateway.audit.tree import LogTree
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash, parse_entry
from gateway.transparency.notes import Signer

Edit = Callable[[dict[str, Any]], None]


class Forger:
    """One log in one SQLite file."""

    def __init__(self, path: Path, signer: Signer) -> None:
        """`signer` is the log's real key: only mutations that say so use it."""
        self.path = path
        self.signer = signer
        self.log = signer.name
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("PRAGMA synchronous = OFF")  # a vandal's haste

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement."""
        return self.database.execute(statement, values).fetchall()

    def close(self) -> None:
        """Everything is in the file, nothing beside it."""
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.database.close()

    @property
    def size(self) -> int:
        """How many entries."""
        return int(self.run("SELECT max(seq) + 1 FROM entries")[0][0])

    def data(self, seq: int) -> bytes:
        """An entry's bytes."""
        return bytes(self.run("SELECT bytes FROM entries WHERE seq = ?", seq)[0][0])

    def all_data(self) -> list[bytes]:
        """Every entry's bytes."""
        return [bytes(row[0]) for row in self.run("SELECT bytes FROM entries ORDER BY seq")]

    def find(self, type: str, nth: int = 0) -> int:
        """The seq of the nth entry of a type."""
        mark = f'"type":"{type}"'.encode()
        found = [seq for seq, data in enumerate(self.all_data()) if mark in data]
        return found[nth]

    def put(self, seq: int, data: bytes, leaf: bytes | None = None) -> None:
        """Replace an entry's bytes, with their leaf hash unless another is given."""
        self.run(
            "UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = ?",
            data,
            leaf_hash(data) if leaf is None else leaf,
            seq,
        )

    def edited(self, seq: int, edit: Edit) -> bytes:
        """The canonical bytes of an entry after `edit` of its object."""
        value = json.loads(self.data(seq))
        edit(value)
        return canonical.encode(value)

    def write(self, entries: Sequence[bytes]) -> None:
        """These entries and no others."""
        self.run("DELETE FROM entries")
        self.database.executemany(
            "INSERT INTO entries (log, seq, bytes, leaf_hash) VALUES (?, ?, ?, ?)",
            [(self.log, seq, data, leaf_hash(data)) for seq, data in enumerate(entries)],
        )

    def rechain(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Entries with the same content, numbered and chained anew from the first."""
        made: list[bytes] = []
        prev = GENESIS
        for seq, data in enumerate(bodies):
            value = json.loads(data)
            value["seq"], value["prev"] = seq, prev.hex()
            made.append(canonical.encode(value))
            prev = leaf_hash(made[-1])
        return made

    def append(self, type: str, actor: str, body: dict[str, canonical.Value]) -> int:
        """One more entry that follows the last; its seq."""
        last = self.data(self.size - 1)
        seq, time_us = self.size, parse_entry(last).time_us + 1
        encoded = canonical.encode(body)
        data = encode_entry(self.log, seq, leaf_hash(last), time_us, type, actor, encoded)
        self.run(
            "INSERT INTO entries (log, seq, bytes, leaf_hash) VALUES (?, ?, ?, ?)",
            self.log,
            seq,
            data,
            leaf_hash(data),
        )
        return seq

    def rebuild(self, signer: Signer | None = None, sizes: Sequence[int] | None = None) -> None:
        """Tiles and edges of the entries as they stand now. With a `signer` the checkpoints at
        `sizes` (default: where they were, and the end) are signed anew; without one their notes
        stay and their edges follow."""
        stored = [row[0] for row in self.run("SELECT size FROM checkpoints ORDER BY size")]
        tree, wanted = LogTree(), set(stored if sizes is None else sizes)
        if signer is not None:
            wanted.add(self.size)
            self.run("DELETE FROM checkpoints")
        self.run("DELETE FROM tiles")
        for data in self.all_data():
            tree.append(leaf_hash(data))
            if tree.size in wanted:
                self._seal(tree, signer)
        for tile in tree.unstored_tiles():
            self.run("INSERT INTO tiles VALUES (?, ?, ?, ?)", self.log, *tile)

    def _seal(self, tree: LogTree, signer: Signer | None) -> None:
        if signer is None:
            self.run("UPDATE checkpoints SET edge = ? WHERE size = ?", tree.edge_bytes(), tree.size)
            return
        made = sign_checkpoint(tree.size, tree.root(), signer)
        self.run(
            "INSERT INTO checkpoints (log, size, root, note, edge) VALUES (?, ?, ?, ?, ?)",
            self.log,
            made.size,
            made.root,
            made.note,
            tree.edge_bytes(),
        )

    def drop_key(self, table: str) -> None:
        """Rebuild a table without its primary key, so that doubles and odd types fit."""
        (create,) = self.run("SELECT sql FROM sqlite_master WHERE name = ?", table)[0]
        columns = ", ".join(row[1] for row in self.run(f"PRAGMA table_info({table})"))
        assert create
        self.run(f"ALTER TABLE {table} RENAME TO old_{table}")
        self.run(f"CREATE TABLE {table} AS SELECT {columns} FROM old_{table}")
        self.run(f"DROP TABLE old_{table}")
