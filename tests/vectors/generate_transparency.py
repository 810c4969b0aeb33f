"""Writes tests/vectors/transparency.json: python -m tests.vectors.generate_transparency

Written against docs/formats.md section 9 alone: json, hashlib and an Ed25519 key, none of the
product's code, so that the test which reads the file compares two implementations.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PATH = Path(__file__).with_name("transparency.json")
ORIGIN = "gateway.example/eu-west-1"
SEED = hashlib.sha256(b"a seed for vectors, not a key of anybody").digest()
BODIES: list[dict[str, Any]] = [
    {"checkpoint_key": "not checked here"},
    {"version": "0.1.0", "instance": "one"},
    {"text": 'quote " backslash \\ newline \n bell \u0007 é € \U0001f600'},
    {"\U00010000": 1, "\ue000": 2, "": 3, "a": [True, False, None, -1, 2**53 - 1]},
    {"activation": 3, "verdicts": [[1, 0, 12], [1, 1, 1]], "fail_safe": {}},
    {},
    {"deep": [[[[{"b": 1, "a": 2}]]]]},
]


def make_vectors() -> dict[str, Any]:
    """Entries in a chain, the root of every prefix, a proof between all sizes, a checkpoint."""
    entries, leaves, prev = [], [], bytes(32)
    for seq, body in enumerate(BODIES):
        fields = {
            "v": 1,
            "log": ORIGIN,
            "seq": seq,
            "prev": prev.hex(),
            "time": f"2026-01-02T03:04:0{seq}.000006Z",
            "type": "log.opened" if seq == 0 else "denial",
            "actor": "spiffe://example.org/gateway/one",
            "body": body,
        }
        data = canonical(fields).encode()
        prev = hashlib.sha256(b"\x00" + data).digest()
        leaves.append(prev)
        entries.append({"bytes": data.hex(), "leaf_hash": prev.hex(), "body": body})
    sizes = range(len(leaves) + 1)
    return {
        "origin": ORIGIN,
        "entries": entries,
        "roots": [root(leaves[:size]).hex() for size in sizes],
        "inclusion": [
            {"index": index, "size": size, "hashes": [h.hex() for h in path(index, leaves[:size])]}
            for size in sizes
            for index in range(size)
        ],
        "consistency": [
            {"old": old, "new": new, "hashes": [h.hex() for h in subproof(old, leaves[:new], True)]}
            for new in sizes
            for old in range(1, new + 1)
        ],
        **checkpoint(len(leaves), root(leaves)),
    }


def canonical(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    at = split(len(leaves))
    return hashlib.sha256(b"\x01" + root(leaves[:at]) + root(leaves[at:])).digest()


def split(count: int) -> int:
    at = 1
    while at * 2 < count:
        at *= 2
    return at


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    at = split(len(leaves))
    if index < at:
        return [*path(index, leaves[:at]), root(leaves[at:])]
    return [*path(index - at, leaves[at:]), root(leaves[:at])]


def subproof(old: int, leaves: list[bytes], is_whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if is_whole else [root(leaves)]
    at = split(len(leaves))
    if old <= at:
        return [*subproof(old, leaves[:at], is_whole), root(leaves[at:])]
    return [*subproof(old - at, leaves[at:], False), root(leaves[:at])]


def checkpoint(size: int, head: bytes) -> dict[str, str]:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    blob = b"\x01" + key.public_key().public_bytes_raw()
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n" + blob).digest()[:4]
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(head).decode()}\n"
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()
    return {
        "vkey": f"{ORIGIN}+{key_id.hex()}+{base64.b64encode(blob).decode()}",
        "checkpoint": f"{text}\n— {ORIGIN} {signature}\n",
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(make_vectors(), indent=1) + "\n")
