"""notes.json, commitments.json and proof.json: what keys and salts vouch for."""

import base64
import hashlib
from typing import Any

from tests.vectors.canonical_vectors import BODIES, chain
from tests.vectors.reference import (
    LOG_KEY,
    ORIGIN,
    OTHER_KEY,
    WITNESS_KEY,
    Key,
    Tree,
    canonical,
    checkpoint_text,
    leaf,
    signed,
)
from tests.vectors.tree_vectors import TREE

SALT = hashlib.sha256(b"a salt for vectors").digest()
CLASSES: list[dict[str, Any]] = [
    {
        "action": "drop",
        "attributes": {"process.executable.name": "log-shipper"},
        "environment": "production",
        "profile": "balanced",
        "region": "eu-west-1",
        "sample_permille": 0,
        "score": 250,
        "tier": "unlisted",
    },
    {
        "action": "sample",
        "attributes": {"\ue000": "é", "\U00010000": 'a "quoted" €', "k8s.pod.label.app": ""},
        "environment": "staging",
        "profile": "",
        "region": "us-east-1",
        "sample_permille": 999,
        "score": 1000,
        "tier": "edge",
    },
]


def note_vectors() -> dict[str, Any]:
    """Verifier keys, checkpoints that hold, and notes that do not."""
    return {
        "keys": [_key(LOG_KEY), _key(OTHER_KEY), _key(WITNESS_KEY)],
        "no_keys": [
            LOG_KEY.vkey.replace("+", "-"),
            LOG_KEY.vkey[:-4],
            f"{ORIGIN}+{OTHER_KEY.key_id.hex()}+{base64.b64encode(LOG_KEY.blob).decode()}",
            f"{ORIGIN}+{LOG_KEY.key_id.hex()}+{base64.b64encode(LOG_KEY.blob[1:]).decode()}",
            "",
        ],
        "vkey": LOG_KEY.vkey,
        "checkpoints": [
            {"size": size, "root": TREE.root(size).hex(), "note": note}
            for size, note in _checkpoints()
        ],
        "refused": [{"name": name, "note": note} for name, note in _refused().items()],
    }


def _key(key: Key) -> dict[str, str]:
    return {
        "name": key.name,
        "public_key": key.blob[1:].hex(),
        "key_id": key.key_id.hex(),
        "vkey": key.vkey,
    }


def _checkpoints() -> list[tuple[int, str]]:
    made = [(size, signed(checkpoint_text(size, TREE.root(size)), LOG_KEY)) for size in (0, 1, 300)]
    more = checkpoint_text(7, TREE.root(7), "an extension line", "another")
    made.append((7, signed(more, LOG_KEY)))
    made.append((8, signed(checkpoint_text(8, TREE.root(8)), WITNESS_KEY, LOG_KEY)))
    return made


def _refused() -> dict[str, str]:
    text = checkpoint_text(300, TREE.root(300))
    good = signed(text, LOG_KEY)
    other_log = signed(text.replace(ORIGIN, "gateway.example/other"), LOG_KEY)
    padded = text.replace("\n300\n", "\n0300\n")
    return {
        "a changed size": good.replace("\n300\n", "\n301\n"),
        "a changed root": good.replace("\n300\n", "\n300\nA"),
        "another log": other_log,
        "another key of the same name": signed(text, OTHER_KEY),
        "a witness alone": signed(text, WITNESS_KEY),
        "no signature": text + "\n",
        "no empty line": text + LOG_KEY.line(text),
        "a size with a leading zero": signed(padded, LOG_KEY),
        "a negative size": signed(text.replace("\n300\n", "\n-1\n"), LOG_KEY),
        "a size past 2^63-1": signed(text.replace("\n300\n", f"\n{2**63}\n"), LOG_KEY),
        "a root of 31 bytes": signed(checkpoint_text(300, bytes(31)), LOG_KEY),
        "two lines": signed(f"{ORIGIN}\n300\n", LOG_KEY),
        "a hyphen for the dash": good.replace("\N{EM DASH}", "-"),
        "no last newline": good[:-1],
        "a carriage return": good.replace("\n300\n", "\n300\r\n"),
        "nothing": "",
    }


def commitment_vectors() -> dict[str, Any]:
    """Class keys and ids, commitments to sealed payloads, marks of journal entries."""
    classes = []
    for value in CLASSES:
        data = canonical(value).encode()
        key = hashlib.sha256(b"compliance-gateway/class/v1\n" + data).hexdigest()
        number = hashlib.sha256(b"compliance-gateway/class-id/v1\n" + SALT + data).hexdigest()[:48]
        classes.append(
            {"class": data.hex(), "key": key, "salt": SALT.hex(), "id": number}
            | {"payload": canonical({"class": value, "salt": SALT.hex()}).encode().hex()}
        )
    sealed = [bytes(range(60)), b"", b"\xff" * 300]
    pairs = [
        [hashlib.sha256(data).hexdigest()[:48], hashlib.sha256(data).hexdigest()] for data in sealed
    ]
    body = canonical({"month_key": "0011223344556677", "payloads": pairs}).encode()
    return {
        "classes": classes,
        "sealed": [
            {"bytes": data.hex(), "sha256": pair[1]}
            for data, pair in zip(sealed, pairs, strict=True)
        ],
        "payloads_sealed_body": body.hex(),
        "vkey": LOG_KEY.vkey,
        "marks": [_mark(seq, leaf(data)) for seq, data in enumerate(chain()[:3])],
    }


def _mark(seq: int, digest: bytes) -> dict[str, Any]:
    text = f"compliance-gateway/journal/v1\n{ORIGIN}\n{seq}\n{digest.hex()}\n"
    return {"seq": seq, "leaf_hash": digest.hex(), "text": text, "mark": LOG_KEY.sign(text).hex()}


def proof_file_vectors() -> dict[str, Any]:
    """Proof files of the log of entries.json."""
    entries = chain()
    size = len(BODIES)
    tree = Tree([leaf(data) for data in entries])
    note = signed(checkpoint_text(size, tree.root(size)), LOG_KEY)

    def file(data: bytes, index: int, path: list[bytes], note: str = note) -> str:
        lines = ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(data).decode()}"]
        lines += [f"index {index}", *(base64.b64encode(step).decode() for step in path)]
        return "\n".join(lines) + "\n\n" + note

    one = tree.path(1, size)
    forged = signed(checkpoint_text(1, leaf(entries[1])), LOG_KEY)
    good = file(entries[1], 1, one)
    return {
        "vkey": LOG_KEY.vkey,
        "files": [
            {"index": index, "text": file(entries[index], index, tree.path(index, size))}
            for index in range(size)
        ],
        "refused": [
            {"name": "another index", "text": file(entries[1], 2, one)},
            {"name": "another entry", "text": file(entries[2], 1, one)},
            {"name": "a hash too few", "text": file(entries[1], 1, one[:-1])},
            {"name": "a hash too many", "text": file(entries[1], 1, [*one, one[0]])},
            {"name": "an entry at another place", "text": file(entries[1], 0, [], forged)},
            {"name": "no extra", "text": good.replace("extra ", "index ", 1)},
            {"name": "a leading zero", "text": good.replace("index 1", "index 01")},
            {"name": "another version", "text": good.replace("@v1", "@v2")},
            {"name": "another key", "text": file(entries[1], 1, one, _by_other(tree, size))},
        ],
    }


def _by_other(tree: Tree, size: int) -> str:
    return signed(checkpoint_text(size, tree.root(size)), OTHER_KEY)
