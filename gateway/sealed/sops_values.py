"""One value of a SOPS file: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`, and the bytes that the
file's MAC counts it as (source: SOPS 3.13, `aes/cipher.go` and `sops.ToBytes`).

A value is bound to its place: the names that lead to it, without positions in lists, are
authenticated with it. Its type is not; the MAC and whoever signs the file have to see to the rest.
"""

import base64
import binascii
import math
import re
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 32
TAG_BYTES = 16
_BASE64 = r"([A-Za-z0-9+/]+={0,2})"
_ENVELOPE = re.compile(
    rf"ENC\[AES256_GCM,data:{_BASE64},iv:{_BASE64},tag:{_BASE64},type:([a-z]+)\]", re.ASCII
)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_MAX_FLOAT_CHARACTERS = 400  # the largest double, written without an exponent, has 309 digits
_BOOLEANS = {"True": True, "False": False}  # as Go's ParseBool, of which SOPS writes these two
_INT64 = range(-(2**63), 2**63)


class ValueSealError(Exception):
    """What is wrong with one value, without the value; the file's reader adds the place."""


class Comment:
    """What a comment inside a list opens to: it is no value."""


COMMENT = Comment()


def is_envelope(text: str) -> bool:
    """Whether the text is spelled as SOPS spells what it sealed."""
    return _ENVELOPE.fullmatch(text) is not None


def open_value(text: str, key: bytes, bound_to: bytes) -> Any:
    """The text, whole number, float or boolean, or COMMENT; raises ValueSealError."""
    found = _ENVELOPE.fullmatch(text)
    if found is None:
        raise ValueSealError("stands in clear, or is cut")
    data, nonce, tag = (_decode(part) for part in found.groups()[:3])
    if len(nonce) != NONCE_BYTES or len(tag) != TAG_BYTES:
        raise ValueSealError("is damaged: its iv or tag has a wrong length")
    try:
        plain = AESGCM(key).decrypt(nonce, data + tag, bound_to).decode()
    except InvalidTag:
        raise ValueSealError("does not open: it was changed, or sealed for another place") from None
    except UnicodeDecodeError:
        raise ValueSealError("is not text") from None
    return _read(plain, found[4])


def counted_bytes(value: Any) -> bytes:
    """What SOPS's MAC counts a value as."""
    if isinstance(value, bool):
        return b"True" if value else b"False"
    if isinstance(value, int):
        return str(value).encode()
    if isinstance(value, float):
        return _plain_float(value).encode()
    return str(value).encode()


def _read(plain: str, kind: str) -> Any:
    if kind == "str":
        return plain
    if kind == "comment":
        return COMMENT
    if kind == "int" and _INTEGER.fullmatch(plain) and int(plain) in _INT64:
        return int(plain)
    if kind == "bool" and plain in _BOOLEANS:
        return _BOOLEANS[plain]
    if kind == "float" and len(plain) <= _MAX_FLOAT_CHARACTERS and _FLOAT.fullmatch(plain):
        number = float(plain)
        if math.isfinite(number):
            return number
    if kind in ("time", "bytes"):
        raise ValueSealError("is a date or bytes, which JSON lacks; write it in quotes, seal again")
    raise ValueSealError("does not hold what its type says")


def _plain_float(number: float) -> str:
    """The shortest digits that read back as the number, without an exponent (Go's 'f', -1)."""
    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueSealError("is damaged: it is not base64") from None
