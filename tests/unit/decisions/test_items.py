import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.decisions.items import MAX_ITEMS, cut_items, split_members
from gateway.errors import InputError

TEXT = st.text(st.sampled_from('ab"\\[]{},: \n\u00e9\u2028\U0001f600'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
SPACE = st.sampled_from(["", " ", "\n\t\r "])


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max((depth_of(item) for item in inner), default=0)
    return 0


@settings(max_examples=100, deadline=None, print_blob=True)
@given(
    st.lists(VALUES, max_size=6), st.dictionaries(TEXT, VALUES, max_size=3), SPACE, st.booleans()
)
@example(items=[], others={}, space="", ascii_only=True)
def test_the_items_are_those_of_a_json_reader(
    items: list[Any], others: dict[str, Any], space: str, ascii_only: bool
) -> None:
    def dump(value: Any) -> str:
        separators = (space + "," + space, space + ":" + space)
        return space + json.dumps(value, ensure_ascii=ascii_only, separators=separators) + space

    members = [*others.items(), ("proposals", [7]), *others.items(), ("proposals", items)]
    body = "{" + ",".join(dump(name) + ":" + dump(value) for name, value in members) + "}"
    found = cut_items(body.encode())
    assert [json.loads(item.text) for item in found] == json.loads(body)["proposals"]
    assert [item.depth for item in found] == [depth_of(value) for value in items]


@settings(max_examples=500, deadline=None, print_blob=True)
@given(st.lists(st.sampled_from([*'{}[],:"\\ a1', '"proposals"', '{"proposals":['])))
def test_what_a_json_reader_takes_is_cut_alike_and_no_other_error_comes(parts: list[str]) -> None:
    body = "".join(parts)
    try:
        found = cut_items(body.encode())
    except InputError:
        found = None
    try:
        value = json.loads(body)
    except ValueError:
        return
    items = value.get("proposals") if isinstance(value, dict) else None
    expected = items if isinstance(items, list) else None
    assert (found is None) == (expected is None)
    assert [json.loads(item.text) for item in found or []] == (expected or [])


@pytest.mark.parametrize(
    "body",
    [
        b'{"proposals":[1,]}',
        b'{"proposals":[,1]}',
        b'{"proposals":[1 2]}',
        b'{"proposals":[1],}',
        b'{"proposals":[1]]',
        b'{"proposals":[1}}',
        b'{"proposals":[1]}}',
        b'{"proposals":["a]}',
        b'{"proposals":["a\\"]}',
        b'{"proposals":["a\\',
        b'{"proposals":[1],"x":tru}',
        b'{"proposals":[1],"x":[1}}',
        b'{"proposals":[1],"proposals":5}',
        b'{"a\nb":1,"proposals":[1]}',
        b'{"x":' + b"[" * 65 + b"]" * 65 + b',"proposals":[1]}',
    ],
)
def test_what_is_malformed_around_the_items_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        cut_items(body)


def test_a_name_may_be_written_with_escapes() -> None:
    assert [item.text for item in cut_items(b'{"propos\\u0061ls":[1]}')] == [b"1"]
    assert [name for name, _ in split_members(b'{"a\\"}":"}","\xff":2}')] == ['a"}', "\udcff"]


def test_the_scan_stops_one_item_past_the_limit() -> None:
    assert len(cut_items(b'{"proposals":[' + b"1," * 5000 + b"1]}")) == MAX_ITEMS + 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"proposals":[[' + b'\\"' * 500_000,
        b'{"proposals":[[' + b'"' * 999_999,
        b'{"proposals":[' + b"[" * 1_000_000,
        b'{"proposals":[' + b"[]" * 500_000,
        b'{"proposals":[' + b"{[" * 500_000,
    ],
)
def test_a_hostile_megabyte_takes_linear_time(body: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(InputError):
        cut_items(body)
    assert time.perf_counter() - began < 5
