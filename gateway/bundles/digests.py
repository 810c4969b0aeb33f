"""The digest of one file as OPA computes it for `.signatures.json`.

`.manifest`, `data.json` and `data.yaml` are hashed by their value, so that white space does not
count: an object is `{`, its names sorted with their values, `}`; each scalar is as Go's JSON
encoder writes it. Every other file is hashed as its bytes are.

Source: OPA's bundle documentation ("Signature Format") and its `v1/bundle/hash.go`; held against
the real OPA in tests/interop.
"""

import hashlib
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gateway.bundles.documents import is_data_document, parse_json
from gateway.errors import BundleError, ConfigError
from gateway.wire.documents import load_yaml

_MANIFEST = ".manifest"
_MAX_DEPTH = 100
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1
# encoding/json writes a float64 with an exponent outside this range.
_PLAIN_FROM, _PLAIN_BELOW = 1e-6, 1e21
_encode_text = json.JSONEncoder(ensure_ascii=False).encode


def digest_file(path: str, content: bytes) -> str:
    """64 hex digits; raises BundleError when a structured file cannot be read."""
    if not is_structured(path):
        return hashlib.sha256(content).hexdigest()
    parts: list[str] = []
    _walk(_read(path, content), parts.append, path, _MAX_DEPTH)
    try:
        return hashlib.sha256("".join(parts).encode()).hexdigest()
    except UnicodeEncodeError:
        raise BundleError(f"{path}: a lone surrogate has no UTF-8 form; remove it") from None


def is_structured(path: str) -> bool:
    """Whether OPA hashes the file by its value."""
    return is_data_document(path) or path.rpartition("/")[2] == _MANIFEST


class _Literal(str):
    """A JSON number as it is spelled: OPA keeps `1.0` and `1` apart."""

    __slots__ = ()


def _read(path: str, content: bytes) -> Any:
    if not path.endswith(".yaml"):
        return parse_json(path, content, number=_Literal)
    try:
        # OPA reads a YAML file that happens to be JSON as JSON, numbers as spelled.
        return parse_json(path, content, number=_Literal)
    except BundleError:
        pass
    try:
        return load_yaml(content.decode(), path)
    except UnicodeDecodeError:
        raise BundleError(f"{path}: not UTF-8 text") from None
    except ConfigError as error:
        raise BundleError(str(error)) from None


def _walk(value: Any, write: Callable[[str], None], path: str, depth: int) -> None:
    if depth == 0:
        raise BundleError(f"{path}: nested deeper than {_MAX_DEPTH}; flatten it")
    if isinstance(value, dict):
        write("{")
        for position, name in enumerate(sorted(value)):  # by code point, which is by UTF-8 too
            write(("," if position else "") + _text(name) + ":")
            _walk(value[name], write, path, depth - 1)
        write("}")
    elif isinstance(value, list):
        write("[")
        for position, item in enumerate(value):
            if position:
                write(",")
            _walk(item, write, path, depth - 1)
        write("]")
    else:
        write(_scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, _Literal):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and _INT64_MIN <= value <= _UINT64_MAX:
        return str(value)
    return _float(float(value))


def _text(value: str) -> str:
    # Go also escapes the two separators that JavaScript took for line ends.
    return _encode_text(value).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _float(value: float) -> str:
    """As Go's encoding/json writes a float64: the fewest digits that give the number back."""
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if _PLAIN_FROM <= abs(value) < _PLAIN_BELOW or not isinstance(exponent, int):
        return f"{Decimal(repr(value)).normalize():f}"
    text = "".join(map(str, digits))
    mantissa = text[0] + (f".{text[1:]}" if len(text) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{exponent + len(text) - 1:+d}"
