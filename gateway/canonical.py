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
_encode_compact = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode
_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_NUMBER = b"0" * len(str(MAX_SAFE_INTEGER))


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
        text = data.decode()
        value: Value = _DECODER.decode(text)
        # Verifying a log spends most of its time here, so the library's encoder goes first.
        if text.isascii() and _encode_compact(value) == text and _is_plain(data, value):
            return value
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not JSON: {type(error).__name__}") from None
    if encode(value) != data:
        raise CanonicalError("JSON, but not in its canonical form")
    return value


def _is_plain(data: bytes, value: Value) -> bool:
    """Whether the library's encoder, told to sort and be compact, is sure to agree with `encode`:
    given ASCII (where code points and UTF-16 units sort alike), the limits are all that is left.
    Most entries can be seen to keep them without a walk: few brackets, no long run of digits."""
    if data.count(b"[") + data.count(b"{") < MAX_DEPTH:
        return _LONG_NUMBER not in data.translate(_DIGITS) or _is_within_limits(value)
    return _is_within_limits(value)


def _is_within_limits(value: Value) -> bool:
    level: list[Value] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Value] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, int) and not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
                return False
        if not below:
            return True
        level = below
    return False


def _refuse_float(text: str) -> Value:
    raise CanonicalError(f"a number with a fraction or exponent: {text[:30]!r}")


_DECODER = json.JSONDecoder(parse_float=_refuse_float, parse_constant=_refuse_float)


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
