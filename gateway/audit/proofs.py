"""Inclusion and consistency proofs from stored tiles: a number of rows logarithmic in the size."""

from gateway.audit.errors import LogBrokenError
from gateway.audit.tree import TILE_BITS, TILE_WIDTH, fold, split_hashes
from gateway.errors import InputError
from gateway.storage import log_store
from gateway.storage.engine import Connection
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import consistency_proof, inclusion_proof, tree_root


class ProofReader:
    """Proofs in one read transaction, within the newest checkpoint's size."""

    def __init__(self, connection: Connection, log: str) -> None:
        self._connection = connection
        self._log = log
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        last = log_store.read_last_checkpoint(connection, log)
        self._size = 0 if last is None else last.size

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """RFC 6962 section 2.1.1; raises InputError for an index or size out of range."""
        self._check_size(size)
        try:
            return inclusion_proof(index, size, self._read_node)
        except ProofError as error:
            raise InputError(str(error)) from None

    def consistency(self, from_size: int, to_size: int) -> list[bytes]:
        """RFC 6962 section 2.1.2; raises InputError for sizes out of range."""
        self._check_size(to_size)
        try:
            return consistency_proof(from_size, to_size, self._read_node)
        except ProofError as error:
            raise InputError(str(error)) from None

    @property
    def size(self) -> int:
        """The newest checkpoint's size, 0 before the first."""
        return self._size

    def root(self, size: int) -> bytes:
        """The tree head over the first `size` entries, from the tiles; raises InputError for a
        size out of range."""
        self._check_size(size)
        return tree_root(size, self._read_node)

    def _check_size(self, size: int) -> None:
        if size > self._size:
            raise InputError(f"no proof at size {size}: the newest checkpoint has {self._size}")

    def _read_node(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_BITS)
        start = index << height
        hashes = self._read_tile(tile_level, start // TILE_WIDTH)
        at = start % TILE_WIDTH
        part = hashes[at : at + (1 << height)]
        if len(part) != 1 << height:
            raise LogBrokenError(f"tile {start // TILE_WIDTH} of level {tile_level} is cut short")
        return fold(part)

    def _read_tile(self, level: int, idx: int) -> list[bytes]:
        known = self._tiles.get((level, idx))
        if known is None:
            joined = log_store.read_tile(self._connection, self._log, level, idx)
            if joined is None and level == 0:  # the last one: still in the entries
                start = idx * TILE_WIDTH
                known = log_store.read_leaf_hashes(
                    self._connection, self._log, start, min(start + TILE_WIDTH, self._size)
                )
            else:
                known = split_hashes(joined or b"")
            self._tiles[(level, idx)] = known
        return known
