"""The checked-in vectors, which a second implementation made, hold here."""

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.audit.marks import is_marked, make_mark
from gateway.errors import CanonicalError, VerificationError
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import (
    GENESIS,
    encode_entry,
    leaf_hash,
    parse_entry,
    read_fields,
)
from gateway.transparency.errors import TileError
from gateway.transparency.merkle import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    node_hash,
    node_reader,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from gateway.transparency.notes import Signer, Verifier
from gateway.transparency.proof_file import encode_proof, parse_proof, verify_proof
from gateway.transparency.tiles import (
    BUNDLE_LEVEL,
    TilePlace,
    encode_bundle,
    parse_bundle,
    parse_tile_path,
    tile_levels,
    tiles_of_level,
)
from gateway.wire.classes import class_id, class_key
from tests.fakes.trees import join_hashes
from tests.vectors.files import FILES, FOLDER, read, render
from tests.vectors.reference import SEED

LEAVES = [leaf_hash(str(index).encode()) for index in range(70_000)]
READ_NODE = node_reader(LEAVES)


def unhex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_its_generator_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == render(name), (
        f"{name} is stale: python -m tests.vectors"
    )


def test_every_file_is_one_of_the_generators() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(FILES)


def test_canonical_values() -> None:
    for vector in read("canonical.json")["values"]:
        data = bytes.fromhex(vector["canonical"])
        value = json.loads(vector["input"])
        assert canonical.encode(value) == data, vector["name"]
        assert canonical.decode(data) == value, vector["name"]


@pytest.mark.parametrize("vector", read("canonical.json")["refused"], ids=lambda v: v["name"])
def test_bytes_that_are_not_canonical(vector: dict[str, str]) -> None:
    with pytest.raises(CanonicalError):
        canonical.decode(bytes.fromhex(vector["bytes"]))


def test_entries() -> None:
    vectors = read("entries.json")
    prev = GENESIS
    for seq, vector in enumerate(vectors["entries"]):
        data = bytes.fromhex(vector["bytes"])
        entry = parse_entry(data)
        assert (entry.origin, entry.seq, entry.prev) == (vectors["log"], seq, prev)
        body = canonical.encode(entry.body)
        again = encode_entry(entry.origin, seq, prev, entry.time_us, entry.type, entry.actor, body)
        assert again == data
        prev = leaf_hash(data)
        assert prev.hex() == vector["leaf_hash"]


@pytest.mark.parametrize("vector", read("entries.json")["refused"], ids=lambda v: v["name"])
def test_bytes_that_are_no_entry(vector: dict[str, str]) -> None:
    with pytest.raises(VerificationError):
        read_fields(bytes.fromhex(vector["bytes"]))


def test_hashes_and_roots() -> None:
    vectors = read("tree.json")
    for vector in vectors["leaves"]:
        assert leaf_hash(bytes.fromhex(vector["data"])).hex() == vector["leaf_hash"]
    for vector in vectors["nodes"]:
        left, right = unhex([vector["left"], vector["right"]])
        assert node_hash(left, right).hex() == vector["hash"]
    tree = CompactRange()
    assert len(vectors["roots"]) == 301
    for size, root in enumerate(vectors["roots"]):
        assert tree.root().hex() == tree_root(size, READ_NODE).hex() == root
        tree.append(LEAVES[size])


def test_proofs() -> None:
    vectors, roots = read("proofs.json"), unhex(read("tree.json")["roots"])
    for vector in vectors["inclusion"]:
        index, size = vector["index"], vector["size"]
        proof = unhex(vector["hashes"])
        assert inclusion_proof(index, size, READ_NODE) == proof
        verify_inclusion(LEAVES[index], index, size, proof, roots[size])
    for vector in vectors["consistency"]:
        old, new = vector["old"], vector["new"]
        proof = unhex(vector["hashes"])
        assert consistency_proof(old, new, READ_NODE) == proof
        verify_consistency(old, new, roots[old], roots[new], proof)


def test_keys_and_checkpoints() -> None:
    vectors = read("notes.json")
    for vector in vectors["keys"]:
        key = Verifier.from_vkey(vector["vkey"])
        assert (key.name, key.public_key.hex()) == (vector["name"], vector["public_key"])
        assert (key.key_id.hex(), key.vkey) == (vector["key_id"], vector["vkey"])
    for text in vectors["no_keys"]:
        with pytest.raises(VerificationError):
            Verifier.from_vkey(text)
    verifier = Verifier.from_vkey(vectors["vkey"])
    for vector in vectors["checkpoints"]:
        opened = open_checkpoint(vector["note"], verifier)
        assert (opened.size, opened.root.hex()) == (vector["size"], vector["root"])
    for vector in vectors["refused"]:
        with pytest.raises(VerificationError):
            open_checkpoint(vector["note"], verifier)


def test_tiles_and_bundles() -> None:
    vectors = read("tiles.json")
    for vector in vectors["paths"]:
        level = BUNDLE_LEVEL if vector["level"] == "entries" else vector["level"]
        place = TilePlace(level, vector["index"], vector["width"])
        assert place.path == vector["path"]
        assert parse_tile_path(vector["path"]) == place
    for path in vectors["no_paths"]:
        with pytest.raises(TileError):
            parse_tile_path(path)
    for vector in vectors["bundles"]:
        entries, data = unhex(vector["entries"]), bytes.fromhex(vector["bytes"])
        assert encode_bundle(entries) == data
        assert parse_bundle(data, len(entries)) == entries
    for text in vectors["torn_bundles"]:
        with pytest.raises(TileError):
            parse_bundle(bytes.fromhex(text), 2)
    largest = vectors["largest"]
    data = encode_bundle([bytes([largest["byte"]]) * largest["count"]])
    assert hashlib.sha256(data).hexdigest() == largest["sha256"]
    small = vectors["small_tile"]
    assert join_hashes(parse_tile_path(small["path"]), READ_NODE).hex() == small["bytes"]


@pytest.mark.parametrize("tree", read("tiles.json")["trees"], ids=lambda tree: tree["size"])
def test_trees_of_tiles(tree: dict[str, Any]) -> None:
    size = tree["size"]
    assert tree_root(size, READ_NODE).hex() == tree["root"]
    places = [
        place
        for level in (BUNDLE_LEVEL, *tile_levels(size))
        for place in list(tiles_of_level(level, size))[-2:]
    ]
    assert [place.path for place in places] == [file["path"] for file in tree["files"]]
    for place, file in zip(places, tree["files"], strict=True):
        if place.is_bundle:
            first = place.index * 256
            texts = [str(index).encode() for index in range(first, first + place.width)]
            data = encode_bundle(texts)
        else:
            data = join_hashes(place, READ_NODE)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["length"], file["sha256"])


def test_classes_commitments_and_marks() -> None:
    vectors = read("commitments.json")
    for vector in vectors["classes"]:
        data, salt = unhex([vector["class"], vector["salt"]])
        assert canonical.encode(canonical.decode(data)) == data
        assert (class_key(data), class_id(salt, data)) == (vector["key"], vector["id"])
        payload = canonical.decode(bytes.fromhex(vector["payload"]))
        assert payload == {"class": canonical.decode(data), "salt": vector["salt"]}
    body = canonical.decode(bytes.fromhex(vectors["payloads_sealed_body"]))
    assert isinstance(body, dict)
    committed = body["payloads"]
    assert isinstance(committed, list)
    for vector, pair in zip(vectors["sealed"], committed, strict=True):
        digest = hashlib.sha256(bytes.fromhex(vector["bytes"])).hexdigest()
        assert isinstance(pair, list)
        assert pair[1] == vector["sha256"] == digest
    signer = Signer("gateway.example/eu-west-1", Ed25519PrivateKey.from_private_bytes(SEED))
    assert signer.vkey == vectors["vkey"]
    for vector in vectors["marks"]:
        digest_, mark = unhex([vector["leaf_hash"], vector["mark"]])
        assert make_mark(signer, vector["seq"], digest_) == mark
        assert is_marked(signer.verifier, vector["seq"], digest_, mark)
        assert not is_marked(signer.verifier, vector["seq"] + 1, digest_, mark)


def test_proof_files() -> None:
    vectors = read("proof-files.json")
    verifier = Verifier.from_vkey(vectors["vkey"])
    for vector in vectors["files"]:
        proof = parse_proof(vector["text"])
        assert encode_proof(proof) == vector["text"]
        assert verify_proof(proof, verifier).entry.seq == vector["index"]
    for vector in vectors["refused"]:
        with pytest.raises(VerificationError):
            verify_proof(parse_proof(vector["text"]), verifier)
