"""Writes SOPS files as sops 3.13 does, for tests. `tests/interop/test_sops.py` has the real one."""

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyrage import encrypt, x25519

MODIFIED = "2026-01-02T03:04:05Z"
IDENTITY = x25519.Identity.generate()
_ARMOR = "-----{} AGE ENCRYPTED FILE-----"


def seal_sops(
    value: dict[str, Any],
    identities: Sequence[Any] = (IDENTITY,),
    is_sealed: Callable[[tuple[str, ...]], bool] = lambda names: True,
    **section: Any,
) -> bytes:
    """The file's bytes, sealed for each identity; `section` adds to its `sops` section."""
    key = os.urandom(32)
    counted: list[bytes] = []
    only_sealed = section.get("mac_only_encrypted", False)
    if only_sealed:
        counted.append(hashlib.sha256(b"sops").digest())

    def walk(item: Any, names: tuple[str, ...]) -> Any:
        if isinstance(item, dict):
            return {name: walk(part, (*names, name)) for name, part in item.items()}
        if isinstance(item, list):
            return [walk(part, names) for part in item]
        if item is None or item == "":
            return item
        if is_sealed(names) or not only_sealed:
            counted.append(_text(item).encode())
        return seal_value(item, key, ":".join(names) + ":") if is_sealed(names) else item

    sealed = {name: walk(item, (name,)) for name, item in value.items()}
    mac = hashlib.sha512(b"".join(counted)).hexdigest().upper()
    sealed["sops"] = {
        "age": [
            {"enc": armored(key, one), "recipient": str(one.to_public())} for one in identities
        ],
        "lastmodified": MODIFIED,
        "mac": seal_value(mac, key, MODIFIED),
        **section,
        "version": "3.13.3",
    }
    return yaml.safe_dump(sealed, sort_keys=False, width=10_000).encode()


def seal_value(value: Any, key: bytes, bound_to: str, kind: str = "") -> str:
    """One `ENC[…]`."""
    nonce = os.urandom(32)
    sealed = AESGCM(key).encrypt(nonce, _text(value).encode(), bound_to.encode())
    data, iv, tag = (
        base64.b64encode(part).decode() for part in (sealed[:-16], nonce, sealed[-16:])
    )
    kind = kind or {bool: "bool", int: "int", float: "float"}.get(type(value), "str")
    return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]"


def armored(key: bytes, identity: Any) -> str:
    """The data key in an armored age file."""
    text = (
        base64.encodebytes(bytes(encrypt(key, [identity.to_public()]))).decode().replace("\n", "")
    )
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([_ARMOR.format("BEGIN"), *lines, _ARMOR.format("END"), ""])


def _text(value: Any) -> str:
    return str(value)  # true for what tests use: Python says True and False as SOPS does
