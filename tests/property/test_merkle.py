"""The tree against RFC 6962's own recursive definitions, exhaustively for small sizes."""

import hashlib

import pytest

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import (
    EMPTY_ROOT,
    CompactRange,
    consistency_proof,
    inclusion_proof,
    node_reader,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(1, 65)
LEAVES = [hashlib.sha256(b"\x00" + str(at).encode()).digest() for at in range(300)]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = naive_split(len(leaves))
    left, right = naive_root(leaves[:split]), naive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def naive_split(count: int) -> int:
    split = 1
    while split * 2 < count:
        split *= 2
    return split


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = naive_split(len(leaves))
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_subproof(old: int, leaves: list[bytes], is_whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if old == len(leaves):
        return [] if is_whole else [naive_root(leaves)]
    split = naive_split(len(leaves))
    if old <= split:
        return [*naive_subproof(old, leaves[:split], is_whole), naive_root(leaves[split:])]
    return [*naive_subproof(old - split, leaves[split:], False), naive_root(leaves[:split])]


def test_compact_range_gives_the_root_of_every_size() -> None:
    tree = CompactRange()
    assert tree.root() == EMPTY_ROOT == naive_root([])
    read = node_reader(LEAVES)
    for size in range(1, len(LEAVES) + 1):
        tree.append(LEAVES[size - 1])
        assert tree.size == size
        assert tree.root() == naive_root(LEAVES[:size]) == tree_root(size, read)


def test_right_edge_carries_on_where_it_was_kept() -> None:
    whole = CompactRange()
    whole.extend(LEAVES)
    for size in range(len(LEAVES)):
        kept = CompactRange()
        kept.extend(LEAVES[:size])
        restored = CompactRange.from_edge(size, kept.edge_bytes())
        restored.extend(LEAVES[size:])
        assert restored.root() == whole.root()


@pytest.mark.parametrize(("size", "length"), [(3, 32), (3, 65), (0, 32), (4, 0), (-1, 32)])
def test_edge_of_another_length_is_refused(size: int, length: int) -> None:
    with pytest.raises(ProofError, match="right edge"):
        CompactRange.from_edge(size, bytes(length))


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_of_every_entry(size: int) -> None:
    leaves = LEAVES[:size]
    root, read = naive_root(leaves), node_reader(leaves)
    for index in range(size):
        proof = inclusion_proof(index, size, read)
        assert proof == naive_path(index, leaves)
        verify_inclusion(leaves[index], index, size, proof, root)
        for bad in mutations(proof):
            with pytest.raises(ProofError):
                verify_inclusion(leaves[index], index, size, bad, root)
        with pytest.raises(ProofError):
            verify_inclusion(LEAVES[size], index, size, proof, root)
        if size > 1:
            with pytest.raises(ProofError):
                verify_inclusion(leaves[index], (index + 1) % size, size, proof, root)


@pytest.mark.parametrize("new", SIZES)
def test_consistency_of_every_earlier_size(new: int) -> None:
    leaves = LEAVES[:new]
    root, read = naive_root(leaves), node_reader(leaves)
    for old in range(new + 1):
        old_root = naive_root(leaves[:old])
        proof = consistency_proof(old, new, read)
        assert proof == (naive_subproof(old, leaves, True) if old else [])
        verify_consistency(old, new, old_root, root, proof)
        for bad in mutations(proof):
            with pytest.raises(ProofError):
                verify_consistency(old, new, old_root, root, bad)
        with pytest.raises(ProofError):
            verify_consistency(old, new, LEAVES[-1], root, proof)
        if old:  # from the empty tree to any root is consistent: nothing was promised yet
            with pytest.raises(ProofError):
                verify_consistency(old, new, old_root, LEAVES[-1], proof)


def mutations(proof: list[bytes]) -> list[list[bytes]]:
    """A step more, a step less, each step changed, a step of another length."""
    made = [[*proof, LEAVES[0]], [LEAVES[0], *proof], [*proof[:-1], b"short"]]
    if proof:
        made += [proof[:-1], proof[1:]]
    for at, step in enumerate(proof):
        made.append([*proof[:at], bytes([step[0] ^ 1]) + step[1:], *proof[at + 1 :]])
    return made


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_proof_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ProofError, match="no entry"):
        inclusion_proof(index, size, node_reader(LEAVES))
    with pytest.raises(ProofError, match="no entry"):
        verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_no_consistency_backwards(old: int, new: int) -> None:
    with pytest.raises(ProofError):
        consistency_proof(old, new, node_reader(LEAVES))
    with pytest.raises(ProofError):
        verify_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])


def test_empty_trees_are_consistent_only_with_the_empty_root() -> None:
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(ProofError):
        verify_consistency(0, 0, EMPTY_ROOT, LEAVES[0], [])
    with pytest.raises(ProofError):
        verify_consistency(0, 3, LEAVES[0], LEAVES[1], [])


def test_a_smaller_trees_proof_does_not_pass_for_a_larger_tree() -> None:
    """The hashes lead to the root given, and only the claimed size is wrong."""
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[0], 0, 2, [], LEAVES[0])
    proof = inclusion_proof(0, 4, node_reader(LEAVES))
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[0], 0, 8, proof, naive_root(LEAVES[:4]))
