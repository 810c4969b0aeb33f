"""Journal entries as the fold reads them, and what its steps share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from gateway.changes.state import Change, Governance, Rollout, Stage
from gateway.errors import ChangeRefusedError


@dataclass(frozen=True, slots=True)
class Record:
    """A journal entry, stored or about to be."""

    seq: int
    time_us: int
    type: str
    actor: str
    body: Mapping[str, Any]


def change_id(seq: int) -> str:
    """The id of the change that entry `seq` opened."""
    return f"c{seq}"


def is_same_person(one: str, other: str) -> bool:
    """Whether two SPIFFE ids are one person's: the name counts, whatever role is before it."""
    return one == other or one.rpartition("/")[2].casefold() == other.rpartition("/")[2].casefold()


def is_somebody_else(change: Change, uri: str, key: str) -> bool:
    """Whether this is not the author: by SPIFFE id, by name and by public key."""
    return not is_same_person(change.author, uri) and change.key != key


def change_of(state: Governance, record: Record, *stages: Stage) -> Change:
    found = state.changes.get(text_of(record.body, "id"))
    if found is None:
        raise ChangeRefusedError("there is no such change")
    refuse_unless(found.stage in stages, f"{found.id} is {found.stage}")
    return found


def rollout_of(state: Governance, record: Record) -> Rollout:
    wanted = text_of(record.body, "id")
    if state.rollout is None or state.rollout.id != wanted:
        raise ChangeRefusedError(f"{wanted} is not being rolled out")
    return state.rollout


def with_change(state: Governance, change: Change) -> Governance:
    return replace(state, changes=MappingProxyType({**state.changes, change.id: change}))


def text_of(body: Mapping[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def refuse_unless(holds: object, sentence: str) -> None:
    if not holds:
        raise ChangeRefusedError(sentence)
