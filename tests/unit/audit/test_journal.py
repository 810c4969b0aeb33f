import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import canonical
from gateway.audit.journal import (
    EMPTY_JOURNAL,
    Journal,
    JournalHeads,
    JournalLinkError,
    read_journal_type,
)
from gateway.canonical import Value
from gateway.transparency.entry import GENESIS, encode_entry, parse_entry
from gateway.transparency.journal_types import JOURNAL_TYPES, SERVING_TYPES

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
types = st.one_of(
    st.sampled_from(sorted(JOURNAL_TYPES)),
    st.sampled_from(["decisions", "bundle.activate", "xbundle.activated", "change.staged\n"]),
    texts,
)
decoys: st.SearchStrategy[Value] = st.sampled_from(
    ["change.staged", '","type":"change.staged","v":1}', '"type":"change.staged"', 1, None]
)
bodies = st.dictionaries(st.sampled_from(["type", "v", "a", ',"type":"']), decoys)


@given(type=types, actor=texts, origin=texts, body=bodies)
def test_the_type_read_from_the_bytes_is_the_parsed_one(
    type: str, actor: str, origin: str, body: dict[str, Value]
) -> None:
    data = encode_entry(origin, 7, GENESIS, 0, type, actor, canonical.encode(body))
    kind = parse_entry(data).type
    assert read_journal_type(data) == (kind if kind in JOURNAL_TYPES else None)


@given(data=st.binary(max_size=60))
def test_other_bytes_have_no_type(data: bytes) -> None:
    assert read_journal_type(data) is None


@pytest.mark.parametrize("type", sorted(JOURNAL_TYPES))
def test_only_serving_types_move_the_activation_number(type: str) -> None:
    journal = Journal(JournalHeads(8, 5))
    journal.follow(11, type, {"prior": 8})
    assert journal.heads == JournalHeads(11, 11 if type in SERVING_TYPES else 5)


@pytest.mark.parametrize("prior", [None, True, 0, 2, "1"])
def test_another_prior_leaves_the_heads(prior: Value) -> None:
    journal = Journal(JournalHeads(1, 1))
    with pytest.raises(JournalLinkError, match="entry 1"):
        journal.follow(9, "change.staged", {"prior": prior})
    assert journal.heads == JournalHeads(1, 1)


@pytest.mark.parametrize("prior", [False, 0, -1, ""])
def test_the_first_names_none(prior: Value) -> None:
    journal = Journal()
    with pytest.raises(JournalLinkError, match="which is none"):
        journal.follow(9, "bundle.activated", {"prior": prior})
    assert journal.heads == EMPTY_JOURNAL
    journal.follow(9, "bundle.activated", {"prior": None})
    assert journal.heads == JournalHeads(9, 9)


def test_only_an_activation_may_lack_its_prior_and_not_from_a_new_writer() -> None:
    journal = Journal(JournalHeads(1, -1))
    for type in sorted(JOURNAL_TYPES - {"bundle.activated"}):
        with pytest.raises(JournalLinkError, match="prior"):
            journal.follow(2, type, {})
    with pytest.raises(JournalLinkError, match="prior"):
        journal.follow(2, "bundle.activated", {}, must_link=True)
    journal.follow(2, "bundle.activated", {})
    assert journal.heads == JournalHeads(2, 2)
