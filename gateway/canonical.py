"""Canonical JSON (RFC 8785) for the values that entries hold: no floats, so no number formatting.

What stands in the log is these bytes; they are hashed, stored and verified as they are.
"""

import json
from collections.abc import Callable
from typing import TypeAlias

from gateway.errors import CanonicalError

Value: TypeAlias = "bool | int | str | list[Value] | dict[str, Value] | None"

MAX_SAFE_INTEGER = 2**53 - 1  # RFC 8785 section 3.2.2.3: past it, readers disagree on the number
MAX_DEPTH = 64

_encode_scalar = json.JSONEncoder(ensure_ascii=False).encode


def encode(value: Value) -> bytes:
    """The RFC 8785 bytes of `value`; raises CanonicalError for what has none."""
    parts: list[str] = []
    _write(value, parts.append, MAX_DEPTH)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise CanonicalError("text holds a lone surrogate, which has no UTF-8 form") from None


def decode(data: bytes) -> Value:
    """The value of canonical bytes; raises CanonicalError unless `encode` gives the same bytes."""
    try:
        value: Value = json.loads(
            data.decode(), parse_float=_refuse_float, parse_constant=_refuse_float
        )
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not JSON: {type(error).__name__}") from None
    if encode(value) != data:
        raise CanonicalError("JSON, but not in its canonical form")
    return value


def _refuse_float(text: str) -> Value:
    raise CanonicalError(f"a number with a fraction or exponent: {text[:30]!r}")


def _write(value: Value, out: Callable[[str], None], depth: int) -> None:
    if depth == 0:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str) or value is None or value is True or value is False:
        out(_encode_scalar(value))
    elif isinstance(value, int):
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise CanonicalError("an integer past 2^53-1")
        out(str(value))
    elif isinstance(value, dict):
        _write_object(value, out, depth)
    elif isinstance(value, list):
        out("[")
        for position, item in enumerate(value):
            if position:
                out(",")
            _write(item, out, depth - 1)
        out("]")
    else:
        raise CanonicalError(f"a {type(value).__name__} has no canonical form here")


def _write_object(value: dict[str, Value], out: Callable[[str], None], depth: int) -> None:
    # RFC 8785 section 3.2.3: names sort by UTF-16 code units, not by code points.
    try:
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    except (UnicodeEncodeError, AttributeError):
        raise CanonicalError("an object name is not text with a UTF-8 form") from None
    out("{")
    for position, name in enumerate(names):
        out("," + _encode_scalar(name) + ":" if position else _encode_scalar(name) + ":")
        _write(value[name], out, depth - 1)
    out("}")
