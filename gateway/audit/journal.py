"""The journal: those entries of a log that are the state of what is in force (P5).

Each names the one before it in the member `prior` (a seq, or null for the first), so that a writer
who has not seen the newest is refused, and a journal entry that was left out of a reading is
missed. Pure: nothing here reads or writes.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.canonical import Value
from gateway.transparency.journal_types import JOURNAL_TYPES, SERVING_TYPES, UNLINKED_TYPES

_TYPE_MARK = b',"type":"'
_AFTER_TYPE = b'","v":1}'
_BEFORE_ALL = b'{"actor":"'
_TYPES_BY_BYTES = {name.encode(): name for name in JOURNAL_TYPES}


class JournalHeads(NamedTuple):
    """Seqs of the newest journal entry and of the newest serving one; -1 where there is none."""

    journal: int
    activation: int


EMPTY_JOURNAL = JournalHeads(-1, -1)


class JournalLinkError(Exception):
    """An entry does not follow the journal's newest; never leaves the package."""


class Journal:
    """The heads of a growing journal."""

    def __init__(self, heads: JournalHeads = EMPTY_JOURNAL) -> None:
        self.heads = heads

    def follow(
        self, seq: int, type: str, body: Mapping[str, Value], *, must_link: bool = False
    ) -> None:
        """Take the next journal entry; raises JournalLinkError, and then the heads stay, unless it
        names the newest as its `prior`. An old activation need not, except with `must_link`."""
        if "prior" in body or must_link or type not in UNLINKED_TYPES:
            _verify_prior(body, self.heads.journal)
        activation = seq if type in SERVING_TYPES else self.heads.activation
        self.heads = JournalHeads(seq, activation)


def read_journal_type(data: bytes) -> str | None:
    """The type of a journal entry by its canonical bytes, without parsing them; None for any other
    entry. In RFC 8785's order nothing but `v` comes after the type."""
    mark = data.rfind(_TYPE_MARK)
    if mark < 0 or not (data.startswith(_BEFORE_ALL) and data.endswith(_AFTER_TYPE)):
        return None
    return _TYPES_BY_BYTES.get(data[mark + len(_TYPE_MARK) : -len(_AFTER_TYPE)])


def _verify_prior(body: Mapping[str, Value], newest: int) -> None:
    if "prior" not in body:
        raise JournalLinkError("it does not say which journal entry is before it (prior)")
    prior, expected = body["prior"], None if newest < 0 else newest
    if type(prior) is not type(expected) or prior != expected:  # JSON's true is no 1
        raise JournalLinkError(
            f"it says that the journal entry before it is {_name(prior)}, which is "
            f"{_name(expected)}"
        )


def _name(seq: Value) -> str:
    return "none" if seq is None else f"entry {seq}"
