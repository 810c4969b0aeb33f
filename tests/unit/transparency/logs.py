"""A small log in a database, made the way the gateway makes one, and opened for vandals."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Signer
from gateway.transparency.verdict import Verdict
from tests.unit.transparency.judging import judge_everywhere

ORIGIN = "gateway.example/eu-west-1"
ACTOR = "spiffe://example.org/gateway/one"
START_US = 1_767_323_045_000_006
SCHEMA = """
CREATE TABLE entries(log TEXT, seq INTEGER, bytes BLOB, leaf_hash BLOB);
CREATE TABLE checkpoints(log TEXT, size INTEGER, root BLOB, note TEXT, edge BLOB);
CREATE INDEX entries_place ON entries(log, seq);
"""


def make_signer(seed: int = 1, name: str = ORIGIN) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


SIGNER = make_signer()


class LogFile:
    """`entries` rows with checkpoints after the sizes of `seals`. No primary key, as after a hand
    has been at the tables, so that doubles can be planted."""

    def __init__(self, path: Path, signer: Signer = SIGNER) -> None:
        self.path = path
        self.signer = signer
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("PRAGMA synchronous = OFF")
        self.database.executescript(SCHEMA)
        self.tree = CompactRange()
        self.head = GENESIS

    def grow(self, count: int, seals: Sequence[int] = (), salt: str = "") -> "LogFile":
        """Append entries; `salt` makes another history of the same length."""
        for seq in range(self.tree.size, self.tree.size + count):
            body = canonical.encode({"n": seq, "salt": salt})
            self.append(body, START_US + seq)
            if self.tree.size in seals:
                self.seal()
        return self

    def append(self, body: bytes, time_us: int) -> None:
        seq = self.tree.size
        data = encode_entry(ORIGIN, seq, self.head, time_us, "denial", ACTOR, body)
        self.put(seq, data, leaf_hash(data))

    def put(self, seq: int, data: bytes, leaf: bytes) -> None:
        self.head = leaf
        self.tree.append(leaf)
        self.run("INSERT INTO entries VALUES (?, ?, ?, ?)", ORIGIN, seq, data, leaf)

    def seal(self) -> Checkpoint:
        made = sign_checkpoint(self.tree.size, self.tree.root(), self.signer)
        row = (ORIGIN, made.size, made.root, made.note, self.tree.edge_bytes())
        self.run("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)", *row)
        return made

    def anchor(self, size: int) -> Checkpoint:
        """The stored checkpoint of `size`, as an outsider kept it."""
        query = "SELECT note FROM checkpoints WHERE size = ?"
        (note,) = self.database.execute(query, (size,)).fetchone()
        return open_checkpoint(note, self.signer.verifier)

    def entry(self, seq: int) -> tuple[bytes, bytes]:
        """An entry's stored bytes and leaf hash."""
        query = "SELECT bytes, leaf_hash FROM entries WHERE seq = ?"
        data, leaf = self.database.execute(query, (seq,)).fetchone()
        return data, leaf

    def run(self, statement: str, *values: object) -> None:
        self.database.execute(statement, values)

    def verify(self, *anchors: Checkpoint) -> Verdict:
        """The verdict, which is the same in one process and in several."""
        return judge_everywhere(self.path, [self.signer], anchors)
