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
_LOOSE_SPACES = tuple(f" {mark}" for mark in "{}[]:,") + tuple(f"{mark} " for mark in "{}[]:,")
_LONG_NUMBER = b"0" * len(str(MAX_SAFE_INTEGER))


def encode(value: Value) -> bytes:
    """The RFC 8785 bytes of `value`; raises CanonicalError for what has none."""
    try:
        if _is_simple(value, MAX_DEPTH):  # a tenth of the time; the same bytes
            return _encode_compact(value).encode()
        parts: list[str] = []
        _write(value, parts.append, MAX_DEPTH)
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise CanonicalError("text holds a lone surrogate, which has no UTF-8 form") from None


def _is_simple(value: object, depth: int) -> bool:
    """Whether the library's encoder is sure to agree: exact types, names of ASCII alone (so code
    points and UTF-16 units sort alike), integers in range, not too deep."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return depth > 0
    if kind is int:
        return depth > 0 and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER  # type: ignore[operator]
    if depth <= 0:
        return False
    if kind is dict:
        for name, item in value.items():  # type: ignore[attr-defined]
            if type(name) is not str or not name.isascii() or not _is_simple(item, depth - 1):
                return False
        return True
    return kind is list and all(_is_simple(item, depth - 1) for item in value)  # type: ignore[attr-defined]


def decode(data: bytes) -> Value:
    """The value of canonical bytes; raises CanonicalError unless `encode` gives the same bytes."""
    try:
        text = data.decode()
        value: Value = _DECODER.decode(text)
        # Verifying a log spends most of its time here, so the library's encoder goes first.
        if _is_evidently_canonical(text, value):
            return value
        if text.isascii() and _encode_compact(value) == text and _is_plain(data, value):
            return value
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not JSON: {type(error).__name__}") from None
    if encode(value) != data:
        raise CanonicalError("JSON, but not in its canonical form")
    return value


def decode_any(data: bytes) -> Value:
    """The value of JSON in any form, without floats; raises CanonicalError. Of a name that comes
    twice the last value counts."""
    try:
        value: Value = _DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not JSON: {type(error).__name__}") from None
    return value


def _is_evidently_canonical(text: str, value: Value) -> bool:
    """Whether `text`, which parsed to `value`, shows without being encoded again that it is
    canonical; False means no more than a doubt. Twice as fast as encoding, and true of most
    entries, by these steps:

    * no backslash: each text stands as it is, and `":` occurs at the end of names and nowhere else;
    * ASCII: code points and UTF-16 units sort alike;
    * no space beside a structural character, no line break: no white space between tokens (two
      tokens without a structural character between them are not JSON);
    * no `-0` and no run of 16 digits: integers are in range and in their one spelling;
    * fewer brackets than the depth limit: not too deep;
    * every object holds its names in order, and together they hold as many as the text: no name
      came twice.
    """
    if not text.isascii() or "\\" in text or _has_odd_token(text):
        return False
    objects = text.count("{")
    if objects + text.count("[") >= MAX_DEPTH or _LONG_NUMBER in text.encode().translate(_DIGITS):
        return False
    names, level = text.count('":'), [value]
    while level and objects > 0:
        below: list[Value] = []
        for item in level:
            if isinstance(item, dict):
                keys = list(item)
                if len(keys) > 1 and keys != sorted(keys):
                    return False
                names -= len(keys)
                objects -= 1
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below
    return names == 0


def _has_odd_token(text: str) -> bool:
    """Whether there may be white space between tokens, or a minus zero."""
    if "\n" in text or "\r" in text or "\t" in text or text[:1] == " " or text[-1:] == " ":
        return True
    if "-0" in text and (text[0] == "-" or ":-0" in text or ",-0" in text or "[-0" in text):
        return True
    return " " in text and any(map(text.__contains__, _LOOSE_SPACES))


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
