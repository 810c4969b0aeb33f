"""Canonical JSON against the rfc8785 package, and what has no canonical form."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway import canonical
from gateway.errors import CanonicalError

LIMIT = canonical.MAX_SAFE_INTEGER
texts = st.text(st.characters(codec="utf-8"))
# Names that sort differently by code point and by UTF-16 unit.
names = texts | st.sampled_from(["\ue000", "\uffff", "\U00010000", "\U0001f600", "a", "é", ""])
integers = st.integers(-LIMIT, LIMIT) | st.sampled_from([LIMIT, -LIMIT, 10**15, 10**15 - 1])
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
    max_leaves=20,
)


@given(values)
def test_encodes_as_rfc8785_does(value: canonical.Value) -> None:
    data = canonical.encode(value)
    assert data == rfc8785.dumps(value)
    assert canonical.decode(data) == value


loose = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(loose, st.booleans(), st.booleans(), st.sampled_from([",", ", "]))
def test_decodes_only_what_encode_gives(
    value: Any, ensure_ascii: bool, sort_keys: bool, comma: str
) -> None:
    """Whatever JSON comes, decode takes it exactly when it is some value's encoding."""
    text = json.dumps(
        value, ensure_ascii=ensure_ascii, sort_keys=sort_keys, separators=(comma, ":")
    )
    data = text.encode(errors="surrogatepass")
    try:
        decoded = canonical.decode(data)
    except CanonicalError:
        with pytest.raises((CanonicalError, AssertionError, ValueError)):
            assert canonical.encode(json.loads(data.decode())) == data
    else:
        assert canonical.encode(decoded) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1, "b":2}',
        b' {"a":1}',
        b'{"a":1}\n',
        b'"\\u00e9"',
        b'"\\/"',
        b'"\\u001F"',
        b"-0",
        b"[-0]",
        b"[1,-0]",
        b'{"a":-0}',
        b'{"a" :1}',
        b'{"a": 1}',
        b"[1 ]",
        b"[ 1]",
        b"[1\t,1]",
        b"[1\r]",
        b'{"a":{"b":1,"b":1}}',
        b'{"a":[{"b":1},{"b":1,"a":1}]}',
        b'{"a":{"b":1},"a":{"b":1}}',
        b'[{"a":{"b":1},"a":0}]',
        b"01",
        b"1.0",
        b"1e3",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b'{"a":[-9007199254740992]}',
        b"[" * 65 + b"]" * 65,
        b"[" * 64 + b"1" + b"]" * 64,
        b"[" * 100_000,
        b"9" * 5_000,
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        b"\xff",
        b"",
        b"{",
        '{"\U00010000":1,"\ue000":2}'.encode()[::-1],
        '{"\ue000":1,"\U00010000":2}'.encode(),
    ],
)
def test_refuses_what_is_not_canonical(data: bytes) -> None:
    with pytest.raises(CanonicalError):
        canonical.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 64 + b"]" * 64,
        b"[" * 63 + b"1" + b"]" * 63,
        b'["9007199254740992",[[[9007199254740991]]],' + b"[]," * 70 + b"-9007199254740991]",
        '{"\U00010000":1,"\ue000":2}'.encode(),
        b'"\\b\\t\\n\\f\\r\\u001f\\"\\\\/\x7f"',
        b"null",
    ],
)
def test_takes_what_is_canonical(data: bytes) -> None:
    assert canonical.encode(canonical.decode(data)) == data


@given(values, st.integers(0, 2**32), st.sampled_from([*' \t\n\r"\\-0,:[]{}1aé', "", '"a":1,']))
def test_a_touch_of_canonical_bytes_is_seen(value: Any, where: int, touch: str) -> None:
    """The quick proof of canonical form never takes what encoding again would refuse."""
    text = canonical.encode(value).decode()
    at = where % (len(text) + 1)
    data = (text[:at] + touch + text[at + (not touch) :]).encode()
    try:
        decoded = canonical.decode(data)
    except CanonicalError:
        return
    assert canonical.encode(decoded) == data


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), 2**53, -(2**53), b"", {1: 2}, {"a": (1,)}, "\ud800", {"\udfff": 1}]
)
def test_refuses_to_encode(value: Any) -> None:
    with pytest.raises(CanonicalError):
        canonical.encode(value)


def test_refuses_a_bottomless_value() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CanonicalError, match="nested deeper"):
        canonical.encode(value)
