"""Blocks hold exactly where each entry alone holds."""

import json
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import canonical
from gateway.errors import CanonicalError
from gateway.transparency.blocks import BlockReader, Depth, squeeze
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash, read_fields
from gateway.transparency.errors import EntryError
from tests.unit.transparency.logs import ACTOR, ORIGIN, START_US

numbers = st.integers(-3, 10**17)
tables = st.lists(st.lists(numbers, max_size=4), max_size=4)
texts = st.text(st.sampled_from('[]0,1"\\u'), max_size=12)
values = st.recursive(
    numbers | tables | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def is_canonical(data: bytes) -> bool:
    try:
        canonical.decode(data)
    except CanonicalError:
        return False
    return True


@given(values, st.data())
@example([[1, 2], [3]], None)
@example({"[[1]]": [[1], [0]]}, None)
def test_squeezed_is_canonical_exactly_where_the_whole_is(value: Any, data: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    for _ in range(4 if data else 1):
        assert is_canonical(squeeze(text)) == is_canonical(text), text
        if data and text:  # and of text that is nearly so
            at = data.draw(st.integers(0, len(text) - 1))
            new = data.draw(
                st.sampled_from([b"", b"[", b"]", b"0", b"01", b",", b'"', b"\\", b" "])
            )
            text = text[:at] + new + text[at + 1 :]


def make_rows(count: int, first: int = 0, random_: random.Random | None = None) -> list[Any]:
    chance, prev, rows = random_ or random.Random(1), GENESIS, []
    for seq in range(first, first + count):
        body = canonical.encode(
            {"verdicts": [[seq, 1, 2], [chance.randrange(9), 0, 3]], "t": "é\n"}
        )
        kind = chance.choice(["decisions", "denial"])
        data = encode_entry(ORIGIN, seq, prev, START_US + seq, kind, ACTOR, body)
        prev = leaf_hash(data)
        rows.append((seq, data, prev))
    return rows


@pytest.mark.parametrize("first", [0, 5, 95, 99, 990])
@pytest.mark.parametrize("depth", list(Depth))
def test_block_of_whole_entries_holds(first: int, depth: Depth) -> None:
    rows = make_rows(20, first)
    block = BlockReader(ORIGIN, depth).read(rows, first, GENESIS)
    assert block is not None
    assert block.leaves == [leaf for _, _, leaf in rows]
    assert (block.first_time, block.clock_seq, block.specials) == (
        read_fields(rows[0][1])["time"],
        None,
        [],
    )
    alone = BlockReader(ORIGIN, depth).read(rows, first, None)
    assert alone == block


ODD = [
    (b'"seq":12,', b'"seq":13,'),
    (b'"seq":12,', b'"seq":012,'),
    (b'"prev":"', b'"prev":"0'),
    (b'"v":1}', b'"v":2}'),
    (b'"v":1}', b'"v":1} '),
    (b'"v":1}', b'"v":1,"w":1}'),
    (b'"actor":"', b'"actor":"","x":"'),
    (b'"actor":', b'"actor":1,"b":'),
    (b'"body":{', b'"body":[{'),
    (b'"log":"gate', b'"log":"Gate'),
    (b"T03:", b"T24:"),
    (b"T03:", b"T3::"),
    (b"-01-02T", b"-02-30T"),
    (b":05.0", b":60.0"),
    (b'Z"', b'z"'),
    (b'"verdicts":[[12', b'"verdicts":[[012'),
    (b'"verdicts":[[12', b'"verdicts":[[1.2'),
    (b'"verdicts":[[12', b'"verdicts":[[ 12'),
    (b'"verdicts":[[12', b'"verdicts":[[9007199254740993'),
    (b'"verdicts":[[12', b'"verdicts":[[-0'),
    (b'\\n"', b'\\u000a"'),
]


@pytest.mark.parametrize(("old", "new"), ODD)
def test_block_with_an_odd_entry_does_not_hold(old: bytes, new: bytes) -> None:
    """Re-hashed and chained on, so that only what the entry says is odd."""
    rows, prev = make_rows(20), GENESIS
    for seq, (_, data, _) in enumerate(rows):
        changed = encode_again(data, prev)
        if seq == 12:
            changed = changed.replace(old, new)
            assert old in data
        prev = leaf_hash(changed)
        rows[seq] = (seq, changed, prev)
    with pytest.raises(EntryError):
        check_alone(rows[12][1], rows[11][2])
    assert BlockReader(ORIGIN, Depth.CANONICAL).read(rows, 0, GENESIS) is None


def encode_again(data: bytes, prev: bytes) -> bytes:
    value = json.loads(data)
    value["prev"] = prev.hex()
    return canonical.encode(value)


def check_alone(data: bytes, prev: bytes) -> None:
    fields = read_fields(data)
    if (fields["seq"], fields["prev"], fields["log"]) != (12, prev.hex(), ORIGIN):
        raise EntryError("another place")
