import json
from typing import Any

import pytest

from gateway.decisions.proposals import MAX_PROPOSALS, BadProposal, ProposalReader
from gateway.errors import InputError, TooLargeError
from gateway.wire.classes import project
from tests.fakes.decisions import DECLARATION, SENDER, body, proposal

READER = ProposalReader(DECLARATION)
GOOD = json.dumps(proposal("good")).encode()


def around(item: bytes) -> bytes:
    """A body with the item between two good ones."""
    return b'{"proposals":[' + GOOD + b"," + item + b"," + GOOD + b"]}"


def item_with(process: bytes = b"{}", rest: bytes = b'"action":"drop"') -> bytes:
    return b'{"ref":"bad","process":' + process + b"," + rest + b"}"


BAD_ITEMS = {
    "invalid UTF-8": item_with(b'{"service.name":"a\xff"}'),
    "UTF-8 of a surrogate": item_with(b'{"service.name":"a\xed\xa0\x80"}'),
    "lone surrogate": item_with(rb'{"service.name":"a\udcff"}'),
    "invalid UTF-8 in the action": item_with(rest=b'"action":"dr\xff"'),
    "NaN": item_with(rest=b'"action":"drop","score":NaN'),
    "Infinity": item_with(rest=b'"action":"drop","score":Infinity'),
    "2^53+1": item_with(rest=b'"action":"drop","score":9007199254740993'),
    "1e400": item_with(rest=b'"action":"drop","score":1e400'),
    "4,000 digits": item_with(rest=b'"action":"drop","score":' + b"9" * 4000),
    "NaN and 6,000 digits": item_with(rest=b'"action":"drop","score":NaN,"profile":' + b"9" * 6000),
    "6,000 digits": item_with(rest=b'"action":"drop","score":' + b"9" * 6000),
    "no JSON": item_with(rest=b'"action":dropped'),
    "negative score": item_with(rest=b'"action":"drop","score":-0.1'),
    "rate above 1": item_with(rest=b'"action":"sample","sample_rate":1.5'),
    "rate as text": item_with(rest=b'"action":"sample","sample_rate":"0.5"'),
    "rate as bool": item_with(rest=b'"action":"sample","sample_rate":true'),
    "unknown action": item_with(rest=b'"action":"' + b"x" * 5000 + b'"'),
    "no action": item_with(rest=b'"why":"w"'),
    "huge text": item_with(b'{"service.name":"' + b"x" * 100_000 + b'"}'),
    "process is a list": item_with(b"[]"),
    "attribute is an object": item_with(b'{"service.name":{"a":{"b":1}}}'),
    "long profile": item_with(rest=b'"action":"drop","profile":"' + b"p" * 65 + b'"'),
}


@pytest.mark.parametrize("item", BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
def test_a_bad_item_fails_alone_and_keeps_its_ref(item: bytes) -> None:
    first, bad, last = READER.read(around(item))
    assert isinstance(bad, BadProposal)
    assert bad.ref == "bad"
    assert 0 < len(bad.detail) <= 200
    assert "integer string conversion" not in bad.detail
    assert [first.ref, last.ref] == ["good", "good"]
    assert [first.action, last.action] == ["drop", "drop"]


@pytest.mark.parametrize(
    "item",
    [
        b"5",
        b"null",
        b"[]",
        b'"ref"',
        b'{"process":{},"action":"drop"}',
        b'{"ref":7,"process":{},"action":"drop"}',
        b'{"ref":"a" "process":{},"action":"drop"}',
        b'{"ref":"\xff","process":{},"action":"drop"}',
        rb'{"ref":"\ud800","process":{},"action":"drop"}',
        b'{"ref":"' + b"r" * 129 + b'","process":{},"action":"drop"}',
        b'{"ref":"' + b"r" * 129 + b'","process":{},"action":"drop","score":NaN}',
    ],
)
def test_an_item_whose_ref_cannot_be_sent_back_is_bad_with_an_empty_ref(item: bytes) -> None:
    found = READER.read(around(item))
    assert isinstance(found[1], BadProposal)
    assert found[1].ref == ""
    assert found[0].ref == found[2].ref == "good"


@pytest.mark.parametrize(
    "undeclared", [b'"a\xff"', b"[1,{}]", b"1e999", b'"' + b"x" * 99_999 + b'"']
)
def test_what_no_policy_reads_is_skipped(undeclared: bytes) -> None:
    item = item_with(b'{"process.command_line":' + undeclared + b',"service.name":"s"}')
    found = READER.read(around(item))[1]
    assert READER.class_of(found, SENDER).attributes == (("service.name", "s"),)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"proposals"',
        b'{"proposals":null}',
        b'{"proposals":{}}',
        b'{"proposals":[]}',
        b'{"other":[]}',
        b'{"proposals":[' + GOOD,
        b'{"proposals":[' + GOOD + b"]}x",
        b'\xff{"proposals":[' + GOOD + b"]}",
        b"{" * 100_000,
        b"[" * 1_000_000,
        b'{"x":' + b"[" * 500_000 + b"]" * 500_000 + b',"proposals":[' + GOOD + b"]}",
        b'{"proposals":[' + GOOD + b'],"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b"[" * 2000 + around(GOOD) + b"]" * 2000,
        b'{"proposals":' + b"[" * 2000 + GOOD + b"]" * 1999 + b"}",
        b'{"proposals":' + b'{"x":' * 2000 + b"1" + b"}" * 2000 + b"}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_what_is_malformed_around_the_proposals_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError) as caught:
        READER.read(raw)
    assert len(str(caught.value)) <= 200
    assert "recursion" not in str(caught.value)


DEEP = {
    "lists": lambda deep: b"[" * deep + b"]" * deep,
    "objects": lambda deep: b'{"a":' * deep + b"1" + b"}" * deep,
}


@pytest.mark.parametrize("deep", [2_000, 100_000])
@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("name", [b"undeclared", b"service.name"])
def test_a_deep_item_fails_alone_and_keeps_its_ref(name: bytes, kind: str, deep: int) -> None:
    bomb = item_with(b'{"' + name + b'":' + DEEP[kind](deep) + b"}")
    first, bad, last = READER.read(around(bomb))
    assert bad == BadProposal("bad", "nested deeper than 64")
    assert [first.ref, last.ref] == ["good", "good"]
    assert [first.action, last.action] == ["drop", "drop"]


@pytest.mark.parametrize(
    "other", [item_with(rest=b'"action":"drop","score":NaN'), item_with(b"[]"), b"5", b'"\xff"']
)
def test_a_deep_item_beside_other_bad_ones_fails_alone(other: bytes) -> None:
    for deep in (300, 2000):
        bomb = item_with(b'{"x":' + b"[" * deep + b"]" * deep + b',"service.name":NaN}')
        found = READER.read(around(bomb + b"," + other))
        assert [isinstance(item, BadProposal) for item in found] == [False, True, True, False]
        assert found[1].ref == "bad"
        assert "recursion" not in found[1].detail + found[2].detail


@pytest.mark.parametrize(
    "ref", [b"7", b'"\\ud800"', b'"' + b"r" * 129 + b'"', b"[" * 70 + b"]" * 70]
)
def test_a_deep_item_whose_ref_cannot_be_sent_back_has_an_empty_ref(ref: bytes) -> None:
    bomb = b'{"ref":' + ref + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}"
    assert READER.read(around(bomb))[1] == BadProposal("", "nested deeper than 64")
    array = READER.read(around(b"[" * 2000 + b"]" * 2000))
    assert array[1] == BadProposal("", "nested deeper than 64")


def test_the_limit_on_proposals_holds_beside_a_deep_item() -> None:
    bomb = b"[" * 2000 + b"]" * 2000
    raw = b'{"proposals":[' + (GOOD + b",") * (MAX_PROPOSALS - 1) + bomb
    assert len(READER.read(raw + b"]}")) == MAX_PROPOSALS
    with pytest.raises(TooLargeError):
        READER.read(raw + b"," + GOOD + b"]}")


def test_moderate_depth_inside_one_item_is_no_harm() -> None:
    found = READER.read(around(item_with(b'{"x":' + b"[" * 100 + b"]" * 100 + b"}")))
    assert not any(isinstance(item, BadProposal) for item in found)


@pytest.mark.parametrize("item", [proposal("a"), {"ref": 1}, {"ref": "\ud800"}])
def test_the_limit_on_proposals_holds_for_good_and_bad_items(item: Any) -> None:
    assert len(READER.read(body(*[item] * MAX_PROPOSALS))) == MAX_PROPOSALS
    with pytest.raises(TooLargeError):
        READER.read(body(*[item] * (MAX_PROPOSALS + 1)))


def test_of_duplicate_names_the_last_counts_everywhere() -> None:
    raw = (
        b'{"proposals":[],"proposals":[{"ref":"a","ref":"b","process":{"service.name":"x"},'
        b'"process":{"service.name":"y","service.name":"z"},"action":"keep","action":"drop"}]}'
    )
    [found] = READER.read(raw)
    assert (found.ref, found.action) == ("b", "drop")
    assert READER.class_of(found, SENDER).attributes == (("service.name", "z"),)


def test_of_duplicate_names_the_last_counts_in_the_lenient_reading_too() -> None:
    duplicated = b'{"ref":"a","process":{"service.name":"x"},"action":"keep",'
    duplicated += b'"process":{"service.name":"z"},"action":"drop"}'
    nan = item_with(rest=b'"action":"drop","score":NaN')
    found, bad = READER.read(b'{"proposals":[' + duplicated + b"," + nan + b"]}")
    assert isinstance(bad, BadProposal)
    assert READER.class_of(found, SENDER) == project(
        DECLARATION, SENDER, {"service.name": "z"}, "drop"
    )


def test_the_class_is_the_projection_that_collectors_make() -> None:
    given = proposal("log-shipper", "sample", sample_rate=0.0001, score=0.2501, profile="balanced")
    [found] = READER.read(body(given))
    made = READER.class_of(found, SENDER)
    assert made == project(
        DECLARATION, SENDER, given["process"], "sample", 0.0001, 0.2501, "balanced"
    )
    assert (made.sample_permille, made.score) == (1, 500)


def test_an_explicit_null_is_an_absent_attribute() -> None:
    [found] = READER.read(body({"ref": "r", "process": {"service.name": None}, "action": "drop"}))
    assert READER.class_of(found, SENDER).attributes == ()


def test_equal_proposals_hash_alike_and_others_do_not() -> None:
    found = READER.read(body(proposal("a"), proposal("a"), proposal("b")))
    assert len({item.process for item in found}) == 2
