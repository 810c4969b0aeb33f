"""A log in memory as archives see it: real entries, real checkpoints, at sizes that a test says."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.archive.port import SealedHead
from gateway.storage import log_store
from gateway.storage.engine import Engine, write_transaction
from gateway.storage.log_store import CheckpointRow, EntryRow
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Signer, Verifier

ORIGIN = "example.org/log"
ACTOR = "spiffe://example.org/gateway/test"
START_US = 1_767_323_045_000_006  # 2026-01-02T03:04:05


class GrowingLog:
    """A `SealedLog`. `grow` adds entries, `seal` signs them; both chain."""

    def __init__(self, origin: str = ORIGIN, signer: Signer | None = None) -> None:
        self.signer = signer or Signer(origin, Ed25519PrivateKey.generate())
        self.data: list[bytes] = []
        self.heads: dict[int, SealedHead] = {}
        self.cosigned: set[int] = set()
        self.whole_from = 0
        self._tree = CompactRange()
        self._head = GENESIS
        self.grow(1, "log.opened", {"checkpoint_key": self.signer.vkey})

    def grow(
        self, count: int, kind: str = "test.note", body: dict[str, canonical.Value] | None = None
    ) -> "GrowingLog":
        """Add entries, a second apart."""
        for _ in range(count):
            seq = len(self.data)
            content = canonical.encode({"n": seq} if body is None else body)
            time_us = START_US + seq * 1_000_000
            data = encode_entry(self.signer.name, seq, self._head, time_us, kind, ACTOR, content)
            self._head = leaf_hash(data)
            self._tree.append(self._head)
            self.data.append(data)
        return self

    def seal(self) -> "GrowingLog":
        """Sign what there is."""
        size = len(self.data)
        signed = sign_checkpoint(size, self._tree.root(), self.signer)
        self.heads[size] = SealedHead(size, self._tree.edge_bytes(), signed.note)
        return self

    def checkpoint(self, size: int) -> Checkpoint:
        """A stored one, opened."""
        return open_checkpoint(self.heads[size].note, self.signer.verifier)

    @property
    def origin(self) -> str:
        return self.signer.name

    def keys(self) -> Sequence[Verifier]:
        return [self.signer.verifier]

    def newest_size(self) -> int:
        return max(self.heads, default=0)

    def head(self, size: int) -> SealedHead | None:
        return self.heads.get(size)

    def next_head(self, first: int, most: int) -> SealedHead | None:
        above = sorted(size for size in self.heads if size > first)
        within = [size for size in above if size <= first + most]
        best = [size for size in within if size in self.cosigned] or within or above[:1]
        return self.heads[best[-1]] if best else None

    def first_whole(self) -> int:
        return self.whole_from

    def entries(self, first: int, stop: int) -> list[bytes]:
        return self.data[first:stop]


def store_log(engine: Engine, log: GrowingLog) -> None:
    """Put the log into a migrated database, as the gateway would have."""
    rows = [EntryRow(seq, data, leaf_hash(data)) for seq, data in enumerate(log.data)]
    with write_transaction(engine) as connection:
        log_store.insert_entries(connection, log.origin, rows)
        for size, head in log.heads.items():
            root = log.checkpoint(size).root
            row = CheckpointRow(size, root, head.note, head.edge)
            log_store.insert_checkpoint(connection, log.origin, row)
