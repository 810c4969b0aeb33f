"""The Merkle tree of RFC 6962 section 2.1: compact ranges, proofs, and their verification.

Nodes are addressed as in tlog-tiles: `(level, index)` is the root of the complete subtree over the
leaves `index << level` up to `(index + 1) << level`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from gateway.transparency.errors import ProofError

ReadNode: TypeAlias = Callable[[int, int], bytes]

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The right edge of a growing tree: one hash per 1 bit of its size, the largest subtree first.

    Enough to append and to give the root in logarithmic memory.
    """

    def __init__(self) -> None:
        self._size = 0
        self._edge: list[bytes] = []

    @classmethod
    def from_edge(cls, size: int, edge: bytes) -> "CompactRange":
        """The range that `size` and `edge_bytes` described; raises ProofError on another length."""
        if size < 0 or len(edge) != size.bit_count() * HASH_BYTES:
            raise ProofError(f"a right edge of {len(edge)} bytes does not belong to size {size}")
        made = cls()
        made._size = size
        made._edge = [edge[at : at + HASH_BYTES] for at in range(0, len(edge), HASH_BYTES)]
        return made

    @property
    def size(self) -> int:
        """How many leaves."""
        return self._size

    def edge_bytes(self) -> bytes:
        """The hashes of the right edge, joined; with `size` this is the whole state."""
        return b"".join(self._edge)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        edge, below, sha256 = self._edge, self._size, hashlib.sha256
        while below & 1:
            leaf = sha256(b"\x01" + edge.pop() + leaf).digest()
            below >>= 1
        edge.append(leaf)
        self._size += 1

    def append_subtree(self, level: int, node: bytes) -> None:
        """Add the root of a complete subtree over 2^`level` leaves; raises ProofError unless it
        falls on its place."""
        below, rest = self._size >> level, self._size & ((1 << level) - 1)
        if rest:
            raise ProofError(f"a subtree of {1 << level} leaves has no place at {self._size}")
        while below & 1:
            node = node_hash(self._edge.pop(), node)
            below >>= 1
        self._edge.append(node)
        self._size += 1 << level

    def copy(self) -> "CompactRange":
        """Another range that grows on its own from here."""
        made = CompactRange()
        made._size, made._edge = self._size, self._edge.copy()
        return made

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The tree head over all leaves so far (32 bytes)."""
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root


def node_reader(leaves: Sequence[bytes]) -> ReadNode:
    """A reader of the complete subtrees over leaf hashes held in memory."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return lambda level, index: levels[level][index]


def tree_root(size: int, read_node: ReadNode) -> bytes:
    """The tree head over the first `size` leaves."""
    return _range_root(0, size, read_node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read_node: ReadNode) -> list[bytes]:
    """RFC 6962 section 2.1.1: PATH(index, D[size]), from the leaf up; raises ProofError."""
    if not 0 <= index < size:
        raise ProofError(f"no entry {index} in a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(middle, high, read_node))
            high = middle
        else:
            path.append(_range_root(low, middle, read_node))
            low = middle
    return path[::-1]


def consistency_proof(old: int, new: int, read_node: ReadNode) -> list[bytes]:
    """RFC 6962 section 2.1.2: PROOF(old, D[new]); empty for 0 and for equal sizes."""
    if not 0 <= old <= new:
        raise ProofError(f"no consistency proof from {old} to {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    low, high = 0, new
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_root(middle, high, read_node))
            high = middle
        else:
            path.append(_range_root(low, middle, read_node))
            low = middle
    if low:  # the old tree's own root is known to the verifier, an inner subtree's is not
        path.append(_range_root(low, high, read_node))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """RFC 9162 section 2.1.3.2; raises ProofError unless leaf hash `leaf` stands at `index`."""
    if not 0 <= index < size:
        raise ProofError(f"no entry {index} in a tree of {size}")
    place, last, result = index, size - 1, leaf
    for step in _hashes(proof):
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if place & 1 or place == last:
            result = node_hash(step, result)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            result = node_hash(result, step)
        place, last = place >> 1, last >> 1
    if last or result != root:
        raise ProofError(f"the inclusion proof of entry {index} does not lead to the root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """RFC 9162 section 2.1.4.2; raises ProofError unless the new tree extends the old one."""
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} cannot extend one of {old}")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected or (new == 0 and new_root != EMPTY_ROOT):
            raise ProofError(f"the roots or the proof from {old} to {new} do not hold")
        return
    steps = _hashes(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise ProofError("the consistency proof is empty")
    if _replay(old - 1, new - 1, steps) != (old_root, new_root):
        raise ProofError(f"the tree of {new} does not extend the tree of {old}")


def _replay(place: int, last: int, steps: list[bytes]) -> tuple[bytes, bytes]:
    while place & 1:
        place, last = place >> 1, last >> 1
    old_result = new_result = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if place & 1 or place == last:
            old_result = node_hash(step, old_result)
            new_result = node_hash(step, new_result)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new_result = node_hash(new_result, step)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofError("the consistency proof is too short")
    return old_result, new_result


def _hashes(proof: Sequence[bytes]) -> list[bytes]:
    if any(len(step) != HASH_BYTES for step in proof):
        raise ProofError("a proof is made of hashes of 32 bytes")
    return list(proof)


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def _range_root(low: int, high: int, read_node: ReadNode) -> bytes:
    """The root over leaves low..high-1, where low is a multiple of the power of two above."""
    width = high - low
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read_node(level, low >> level)
    middle = low + _split(width)
    return node_hash(_range_root(low, middle, read_node), _range_root(middle, high, read_node))
