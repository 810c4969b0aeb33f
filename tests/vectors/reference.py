"""The formats of docs/formats.md written a second time, plainly: json, hashlib, an Ed25519 key and
none of the product's code, so that the tests which read the vectors compare two implementations.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "gateway.example/eu-west-1"
ACTOR = "spiffe://example.org/gateway/one"
SEED = hashlib.sha256(b"a seed for vectors, not a key of anybody").digest()
OTHER_SEED = hashlib.sha256(b"another seed for vectors").digest()


def canonical(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count: int) -> int:
    """The largest power of two below `count`."""
    at = 1
    while at * 2 < count:
        at *= 2
    return at


class Tree:
    """RFC 6962 section 2.1 by its recursive definitions, remembering what was asked before."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._leaves = leaves
        self._known: dict[tuple[int, int], bytes] = {}

    def root(self, size: int) -> bytes:
        return self.range(0, size) if size else hashlib.sha256().digest()

    def range(self, low: int, high: int) -> bytes:
        if high - low == 1:
            return self._leaves[low]
        if (low, high) not in self._known:
            middle = low + split(high - low)
            self._known[low, high] = node(self.range(low, middle), self.range(middle, high))
        return self._known[low, high]

    def path(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size])."""
        return self._path(index, 0, size)

    def _path(self, index: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        middle = low + split(high - low)
        if index < middle:
            return [*self._path(index, low, middle), self.range(middle, high)]
        return [*self._path(index, middle, high), self.range(low, middle)]

    def proof(self, old: int, new: int) -> list[bytes]:
        """PROOF(old, D[new]); empty for 0."""
        return self._subproof(old, 0, new, True) if old else []

    def _subproof(self, old: int, low: int, high: int, is_whole: bool) -> list[bytes]:
        if old == high - low:
            return [] if is_whole else [self.range(low, high)]
        at = split(high - low)
        middle = low + at
        if old <= at:
            return [*self._subproof(old, low, middle, is_whole), self.range(middle, high)]
        return [*self._subproof(old - at, middle, high, False), self.range(low, middle)]


def entry(seq: int, prev: bytes, body: Any, other: Mapping[str, Any] | None = None) -> bytes:
    """An entry's bytes; `other` replaces or adds fields."""
    fields = {
        "v": 1,
        "log": ORIGIN,
        "seq": seq,
        "prev": prev.hex(),
        "time": f"2026-01-02T03:04:{seq % 60:02d}.000006Z",
        "type": "denial" if seq else "log.opened",
        "actor": ACTOR,
        "body": body,
    }
    return canonical({**fields, **(other or {})}).encode()


class Key:
    """A named Ed25519 key of signed notes."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.blob = b"\x01" + self._key.public_key().public_bytes_raw()
        self.key_id = hashlib.sha256(name.encode() + b"\n" + self.blob).digest()[:4]
        self.vkey = f"{name}+{self.key_id.hex()}+{base64.b64encode(self.blob).decode()}"

    def sign(self, text: str) -> bytes:
        return self._key.sign(text.encode())

    def line(self, text: str) -> str:
        """The signature line of a note."""
        blob = base64.b64encode(self.key_id + self.sign(text)).decode()
        return f"\N{EM DASH} {self.name} {blob}\n"


LOG_KEY = Key(ORIGIN, SEED)
OTHER_KEY = Key(ORIGIN, OTHER_SEED)
WITNESS_KEY = Key("witness.example/one", OTHER_SEED)


def checkpoint_text(size: int, root: bytes, *more: str) -> str:
    return "\n".join([ORIGIN, str(size), base64.b64encode(root).decode(), *more, ""])


def signed(text: str, *keys: Key) -> str:
    return text + "\n" + "".join(key.line(text) for key in keys)


def bundle(entries: Sequence[bytes]) -> bytes:
    return b"".join(len(data).to_bytes(2, "big") + data for data in entries)


def tile_path(level: int | str, index: int, width: int) -> str:
    digits = f"{index:0{(len(str(index)) + 2) // 3 * 3}d}"
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{number}" + ("" if width == 256 else f".p/{width}")
