"""The checked-in vectors, which a second implementation made, hold here."""

import json
from typing import Any

import pytest

from gateway import canonical
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash, parse_entry
from gateway.transparency.merkle import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    node_reader,
    verify_consistency,
    verify_inclusion,
)
from gateway.transparency.notes import Verifier
from tests.vectors.generate_transparency import PATH, make_vectors


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(PATH.read_text())
    return made


@pytest.fixture(scope="module")
def leaves(vectors: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(entry["leaf_hash"]) for entry in vectors["entries"]]


def test_file_is_what_the_generator_makes(vectors: dict[str, Any]) -> None:
    assert vectors == make_vectors()


def test_entries(vectors: dict[str, Any]) -> None:
    prev, tree = GENESIS, CompactRange()
    for seq, vector in enumerate(vectors["entries"]):
        data = bytes.fromhex(vector["bytes"])
        entry = parse_entry(data)
        assert (entry.seq, entry.prev, entry.body) == (seq, prev, vector["body"])
        body = canonical.encode(entry.body)
        again = encode_entry(entry.origin, seq, prev, entry.time_us, entry.type, entry.actor, body)
        assert again == data
        prev = leaf_hash(data)
        assert prev.hex() == vector["leaf_hash"]
        tree.append(prev)
        assert tree.root().hex() == vectors["roots"][tree.size]


def test_proofs(vectors: dict[str, Any], leaves: list[bytes]) -> None:
    roots, read = [bytes.fromhex(root) for root in vectors["roots"]], node_reader(leaves)
    for vector in vectors["inclusion"]:
        index, size = vector["index"], vector["size"]
        proof = [bytes.fromhex(step) for step in vector["hashes"]]
        assert inclusion_proof(index, size, read) == proof
        verify_inclusion(leaves[index], index, size, proof, roots[size])
    for vector in vectors["consistency"]:
        old, new = vector["old"], vector["new"]
        proof = [bytes.fromhex(step) for step in vector["hashes"]]
        assert consistency_proof(old, new, read) == proof
        verify_consistency(old, new, roots[old], roots[new], proof)


def test_checkpoint(vectors: dict[str, Any], leaves: list[bytes]) -> None:
    opened = open_checkpoint(vectors["checkpoint"], Verifier.from_vkey(vectors["vkey"]))
    assert (opened.origin, opened.size) == (vectors["origin"], len(leaves))
    assert opened.root.hex() == vectors["roots"][-1]
