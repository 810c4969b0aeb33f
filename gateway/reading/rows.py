"""Rows: what one entry says, one thing a row. A `decisions` entry cites verdicts that stand in
earlier entries; its rows repeat them, so that a row can be read alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gateway.transparency.entry import Entry, leaf_hash, parse_entry
from gateway.transparency.errors import EntryError
from gateway.transparency.source import LogSource

_KNOWN_EVALUATIONS = 4_096
_NO_CHANGE: Mapping[str, Any] = {}

Verdict = Mapping[str, Any]
Item = tuple[str, Verdict]
"""A class id and the verdict that the class was given."""


@dataclass(frozen=True, slots=True)
class Located:
    """An entry and the leaf hash (hex) of its bytes; `entry` is None where they are none."""

    seq: int
    leaf_hash: str
    entry: Entry | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that an entry says. `position` counts within the entry. `count` is how often the
    verdict was given, `evaluated_seq` the entry that it stands in (-1: none). `process` names the
    process where payloads were opened."""

    located: Located
    position: int
    type: str
    actor: str
    time_us: int
    class_id: str = ""
    evaluated_seq: int = -1
    process: str = ""
    action: str = ""
    effect: str = ""
    count: int = 0
    reasons: tuple[Mapping[str, Any], ...] = ()
    change: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seq(self) -> int:
        """The entry's place in the log."""
        return self.located.seq

    @property
    def controls(self) -> tuple[str, ...]:
        """The controls that its reasons name, each once."""
        return tuple(dict.fromkeys(str(reason.get("control", "")) for reason in self.reasons))


NameClass = Callable[[str], str]
"""From a class id to the process's names, or why there are none."""


def locate(source: LogSource, first: int = 0) -> Iterator[Located]:
    """The source's entries from `first` on, parsed; raises SourceError."""
    for batch in source.entries(first):
        for seq, data, _ in batch:
            if not isinstance(seq, int) or not isinstance(data, bytes):
                yield Located(seq if isinstance(seq, int) else -1, "", None, "it holds no bytes")
                continue
            try:
                yield Located(seq, leaf_hash(data).hex(), parse_entry(data))
            except EntryError as error:
                yield Located(seq, leaf_hash(data).hex(), None, str(error))


class Flattener:
    """Rows of located entries of one source."""

    def __init__(self, source: LogSource, name_class: NameClass | None = None) -> None:
        """`name_class` opens payloads; without it rows name class ids alone."""
        self._source = source
        self._name_class = name_class
        self._cited = lru_cache(maxsize=_KNOWN_EVALUATIONS)(self._read_items)

    def rows(self, located: Located) -> Iterator[Row]:
        """What the entry says, in order; an entry that cannot be read is a row that says so."""
        entry = located.entry
        if entry is None:
            yield Row(located, 0, "unreadable", "", 0, detail=located.problem)
        elif entry.type == "evaluations":
            yield from self._evaluations(located, entry)
        elif entry.type == "decisions":
            yield from self._decisions(located, entry)
        else:
            change = entry.body.get("change")
            yield Row(
                located,
                0,
                entry.type,
                entry.actor,
                entry.time_us,
                change=change if isinstance(change, dict) else _NO_CHANGE,
                detail=_detail(entry),
                body=entry.body,
            )

    def _evaluations(self, located: Located, entry: Entry) -> Iterator[Row]:
        for position, item in enumerate(_items(entry)):
            yield self._verdict(located, position, entry, item, located.seq)

    def _decisions(self, located: Located, entry: Entry) -> Iterator[Row]:
        cited = entry.body.get("verdicts")
        position = -1
        for position, place in enumerate(_places(cited)):
            seq, at, times = place
            items = self._cited(seq) if 0 <= seq <= located.seq else ()
            item = items[at] if 0 <= at < len(items) else ("", {})
            yield self._verdict(located, position, entry, item, seq, times)
        failed = entry.body.get("fail_safe")
        for code, often in failed.items() if isinstance(failed, dict) else ():
            position += 1
            yield Row(
                located,
                position,
                entry.type,
                entry.actor,
                entry.time_us,
                action="keep",
                effect="fail_safe",
                count=often if isinstance(often, int) else 0,
                detail=code,
                body=entry.body,
            )

    def _verdict(
        self, located: Located, position: int, entry: Entry, item: Item, seq: int, times: int = 0
    ) -> Row:
        class_id, verdict = item
        reasons = verdict.get("reasons")
        name = self._name_class
        return Row(
            located,
            position,
            entry.type,
            entry.actor,
            entry.time_us,
            class_id=class_id,
            evaluated_seq=seq if class_id else -1,
            process=name(class_id) if name is not None and class_id else "",
            action=str(verdict.get("action", "")),
            effect=str(verdict.get("effect", "")),
            count=times,
            reasons=tuple(one for one in reasons if isinstance(one, dict))
            if isinstance(reasons, list)
            else (),
            detail="" if class_id else "the verdict that it cites is not there",
            body=entry.body,
        )

    def _read_items(self, seq: int) -> Sequence[Item]:
        for located in locate(self._source, seq):
            entry = located.entry
            if located.seq == seq and entry is not None and entry.type == "evaluations":
                return _items(entry)
            break
        return ()


def _items(entry: Entry) -> Sequence[Item]:
    items = entry.body.get("items")
    found: list[Item] = []
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            verdict = item.get("verdict")
            found.append((str(item.get("class", "")), verdict if isinstance(verdict, dict) else {}))
    return found


def _places(cited: object) -> Iterator[tuple[int, int, int]]:
    for place in cited if isinstance(cited, list) else ():
        if isinstance(place, list) and len(place) == 3 and all(type(n) is int for n in place):
            yield place[0], place[1], place[2]


_TOLD = ("reason", "detail", "purpose", "route", "kind", "id", "instance", "revision")


def _detail(entry: Entry) -> str:
    told = [
        f"{name} {entry.body[name]}"
        for name in _TOLD
        if isinstance(entry.body.get(name), str | int) and entry.body[name] != ""
    ]
    return ", ".join(told)
