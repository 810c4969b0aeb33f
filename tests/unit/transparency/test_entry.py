"""Entries: the fast writer against canonical JSON, and the strict reader."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import canonical
from gateway.clock import format_time
from gateway.transparency.entry import (
    GENESIS,
    MAX_ENTRY_BYTES,
    Entry,
    encode_entry,
    leaf_hash,
    parse_entry,
)
from gateway.transparency.errors import EntryError
from tests.unit.transparency.logs import ACTOR, ORIGIN, START_US

texts = st.text(st.characters(codec="utf-8"), min_size=1)
bodies = st.dictionaries(
    st.text(st.characters(codec="utf-8")),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=8,
    ),
)
hashes = st.binary(min_size=32, max_size=32)
times = st.integers(0, 253_402_300_799_999_999)
seqs = st.integers(0, canonical.MAX_SAFE_INTEGER)


@given(texts, seqs, hashes, times, texts, texts, bodies)
def test_fast_writer_gives_the_canonical_bytes(
    origin: str, seq: int, prev: bytes, time_us: int, type: str, actor: str, body: dict[str, Any]
) -> None:
    data = encode_entry(origin, seq, prev, time_us, type, actor, canonical.encode(body))
    assert data == canonical.encode(
        {
            "v": 1,
            "log": origin,
            "seq": seq,
            "prev": prev.hex(),
            "type": type,
            "time": format_time(time_us),
            "actor": actor,
            "body": body,
        }
    )
    assert parse_entry(data) == Entry(origin, seq, prev, time_us, type, actor, body)


def test_leaf_hash_is_rfc6962s() -> None:
    assert leaf_hash(b"") == hashlib.sha256(b"\x00").digest()


def fields(**changed: Any) -> bytes:
    """The canonical bytes of an entry with some fields changed; None takes a field away."""
    value = {
        "v": 1,
        "log": ORIGIN,
        "seq": 0,
        "prev": GENESIS.hex(),
        "type": "denial",
        "time": format_time(START_US),
        "actor": ACTOR,
        "body": {},
        **changed,
    }
    return canonical.encode({name: item for name, item in value.items() if item is not None})


def test_the_unchanged_fields_parse() -> None:
    assert parse_entry(fields()).time_us == START_US


@pytest.mark.parametrize(
    "data",
    [
        *(fields(**{name: None}) for name in ("v", "log", "seq", "prev", "time", "type", "actor")),
        fields(body=None),
        fields(extra=1),
        fields(v=2),
        fields(v=True),
        fields(v="1"),
        fields(seq=-1),
        fields(seq="0"),
        fields(seq=False),
        fields(prev="00"),
        fields(prev="A" * 64),
        fields(prev=0),
        fields(log=""),
        fields(log=1),
        fields(actor=[]),
        fields(type=""),
        fields(body=[]),
        fields(body="{}"),
        fields(time=START_US),
        fields(time="2026-13-02T03:04:05.000006Z"),
        fields(time="2026-02-30T03:04:05.000006Z"),
        fields(time="2026-01-02T24:04:05.000006Z"),
        fields(time="2026-01-02T03:04:60.000006Z"),
        fields(time="2026-01-02T03:04:05.00006Z"),
        fields(time="2026-01-02T03:04:05.000006Z\n"),
        fields(prev=GENESIS.hex() + "\n"),
        fields().replace(b",", b", ", 1),
        fields()[:-1],
        fields(body={"text": "x" * MAX_ENTRY_BYTES}),
        b"[]",
        b"",
    ],
)
def test_reader_is_strict(data: bytes) -> None:
    with pytest.raises(EntryError):
        parse_entry(data)


def test_the_largest_entry_fits_and_one_byte_more_does_not() -> None:
    def write(text_length: int) -> bytes:
        body = canonical.encode({"text": "x" * text_length})
        return encode_entry(ORIGIN, 0, GENESIS, START_US, "denial", ACTOR, body)

    room = MAX_ENTRY_BYTES - len(write(0))
    assert len(write(room)) == MAX_ENTRY_BYTES
    parse_entry(write(room))
    with pytest.raises(EntryError, match="limit"):
        write(room + 1)


@pytest.mark.parametrize(
    "changed",
    [{"seq": -1}, {"seq": 2**53}, {"prev_hash": b""}, {"origin": ""}, {"body": b"[]"}],
)
def test_writer_refuses_what_has_no_place(changed: dict[str, Any]) -> None:
    arguments = {
        "origin": ORIGIN,
        "seq": 0,
        "prev_hash": GENESIS,
        "time_us": START_US,
        "type": "denial",
        "actor": ACTOR,
        "body": b"{}",
        **changed,
    }
    with pytest.raises(EntryError):
        encode_entry(**arguments)
