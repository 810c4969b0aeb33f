"""YAML documents, read the way YAML 1.2's core schema says and no wider.

PyYAML follows YAML 1.1: it reads `12:30` as 750, `on` as true, `2026-01-01` as a date, and lets the
last of two equal names win. Here only PyYAML's parser is used; values are built from its events, so
that nesting, size and aliases are bounded before anything is built.

Source: YAML 1.2.2 section 10.3 (core schema). Messages name the place and never a value.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.errors import ConfigError

_STANDARD = "tag:yaml.org,2002:"
_TEXT_TAGS = ("!", _STANDARD + "str")
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOLEAN = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NON_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_MAX_DIGITS = 40
_SHOWN_NAME = 60
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What one document may cost. An alias counts the nodes that it stands for."""

    max_characters: int = 16 * 1024 * 1024
    max_depth: int = 64
    max_nodes: int = 2_000_000
    max_aliased_nodes: int = 10_000


DEFAULT_LIMITS = DocumentLimits()

Path = tuple[str | int, ...]  # the names and positions that lead to a value
Place = tuple[int, int]  # line and column, both from 1


@dataclass(frozen=True, slots=True)
class Places:
    """Where each value of one document begins, and each name. What an alias stands for has none."""

    values: dict[Path, Place] = field(default_factory=dict)
    names: dict[Path, Place] = field(default_factory=dict)


def load_yaml(text: str, place: str, limits: DocumentLimits = DEFAULT_LIMITS) -> Any:
    """The value of one YAML document: None, bool, int, float, str, list or dict with text keys.

    `place` names the file in messages. An empty document is None. Raises ConfigError
    (`place:line:column: sentence`) for bad syntax, duplicate or non-text names, merge keys, tags
    beyond the core schema, numbers that are not finite, several documents, and past `limits`.
    """
    return _Builder(place, limits).build(_parse_events(text, place, limits))


def load_yaml_with_places(
    text: str, place: str, limits: DocumentLimits = DEFAULT_LIMITS
) -> tuple[Any, Places]:
    """As `load_yaml`, with the place of each value: for messages about a document that is YAML."""
    places = Places()
    builder = _Builder(place, limits, places)
    return builder.build(_parse_events(text, place, limits)), places


def _parse_events(text: str, place: str, limits: DocumentLimits) -> Iterator[Any]:
    if len(text) > limits.max_characters:
        raise ConfigError(
            f"{place}:1:1: the document is longer than {limits.max_characters} characters; split it"
        )
    text = text.removeprefix("\ufeff")
    try:
        yield from yaml.parse(text, Loader=_PARSER)
    except yaml.reader.ReaderError as error:
        line, column = _line_and_column(text, error)
        raise ConfigError(
            f"{place}:{line}:{column}: a character that YAML does not allow; remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            f"{_at(place, mark)}: not YAML: {error.problem or error.context}; mend the syntax there"
        ) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(
            f"{place}:1:1: not YAML ({type(error).__name__}); save the file as UTF-8 text"
        ) from None


def _line_and_column(text: str, error: yaml.reader.ReaderError) -> tuple[int, int]:
    before = text[: error.position if isinstance(error.position, int) else 0]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _at(place: str, mark: Any) -> str:
    if mark is None:
        return f"{place}:1:1"
    return f"{place}:{mark.line + 1}:{mark.column + 1}"


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come. `name` is a mapping's key that waits for its value."""

    value: Any
    anchor: str | None
    start: int
    name: str | None = None


@dataclass(slots=True)
class _Builder:
    """Builds the value from parser events without recursion."""

    place: str
    limits: DocumentLimits
    places: Places | None = None
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    nodes: int = 0
    aliased: int = 0
    documents: int = 0
    root: Any = None

    def build(self, events: Iterator[Any]) -> Any:
        for event in events:
            if self.places is not None:
                self._note_place(event, self.places)
            self._take(event)
        return self.root

    def _note_place(self, event: Any, places: Places) -> None:
        if not isinstance(event, yaml.NodeEvent):
            return
        mark: Any = event.start_mark
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.name is None:
            name = event.value if isinstance(event, yaml.ScalarEvent) else ""
            places.names[(*self._path(self.stack[:-1]), name)] = mark.line + 1, mark.column + 1
        else:
            places.values[self._path(self.stack)] = mark.line + 1, mark.column + 1

    @staticmethod
    def _path(stack: list[_Open]) -> Path:
        return tuple(
            len(item.value) if isinstance(item.value, list) else item.name or "" for item in stack
        )

    def _take(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise self._error(event, "a second document starts; keep one document per file")
            case yaml.AliasEvent():
                self._take_alias(event)
            case yaml.ScalarEvent():
                self._take_scalar(event)
            case yaml.MappingStartEvent():
                self._open(event, {}, "map")
            case yaml.SequenceStartEvent():
                self._open(event, [], "seq")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                closed = self.stack.pop()
                self._remember(closed.anchor, closed.value, self.nodes - closed.start)
                self._place_value(event, closed.value)

    def _take_alias(self, event: yaml.AliasEvent) -> None:
        found = self.anchors.get(event.anchor or "")
        if found is None:
            raise self._error(event, "an alias of what is not complete before it; copy it")
        value, size = found
        self.aliased += size
        if self.aliased > self.limits.max_aliased_nodes:
            raise self._error(event, "aliases expand to too much; write the values out")
        self._count(event, size)
        self._place_value(event, value)

    def _take_scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        value = self._scalar(event)
        self._remember(event.anchor, value, 1)
        self._place_value(event, value)

    def _open(self, event: Any, value: Any, kind: str) -> None:
        self._count(event, 1)
        if len(self.stack) >= self.limits.max_depth:
            raise self._error(event, f"nested deeper than {self.limits.max_depth}; flatten it")
        if event.tag not in (None, "!", _STANDARD + kind):
            raise self._error(event, "a tag beyond YAML's core schema; remove the tag")
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].name is None:
            raise self._error(event, "a name must be text; write the name as text")
        self.stack.append(_Open(value, event.anchor, self.nodes - 1))

    def _count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > self.limits.max_nodes:
            raise self._error(event, f"more than {self.limits.max_nodes} values; split it")

    def _remember(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)

    def _place_value(self, event: Any, value: Any) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.name is None:
            top.name = self._checked_name(event, value, top.value)
        else:
            top.value[top.name] = value
            top.name = None

    def _checked_name(self, event: Any, value: Any, mapping: dict[str, Any]) -> str:
        if not isinstance(value, str):
            raise self._error(event, "a name must be text; write the name in quotes")
        if value == "<<":
            raise self._error(event, "merge keys are not YAML 1.2; write the values out")
        if value in mapping:
            shown = value if len(value) <= _SHOWN_NAME else value[:_SHOWN_NAME] + "…"
            raise self._error(event, f"the name {shown!r} stands twice in one mapping; remove one")
        return value

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if event.tag in _TEXT_TAGS:
            return event.value
        if event.tag is not None:
            raise self._error(event, "a tag beyond YAML's core schema; remove the tag")
        if not event.implicit[0]:
            return event.value
        return self._plain(event, event.value)

    def _plain(self, event: yaml.ScalarEvent, text: str) -> Any:
        if _NULL.match(text):
            return None
        if _BOOLEAN.match(text):
            return text.lower() == "true"
        if _NON_FINITE.match(text):
            raise self._error(event, "a number must be finite; write it in quotes if it is text")
        if not (_FLOAT.match(text) or _OCTAL.match(text) or _HEX.match(text)):
            return text
        if len(text) > _MAX_DIGITS:
            raise self._error(event, "a number of too many digits; write it in quotes")
        return self._number(event, text)

    def _number(self, event: yaml.ScalarEvent, text: str) -> int | float:
        if _INTEGER.match(text):
            return int(text, 10)
        if _OCTAL.match(text):
            return int(text[2:], 8)
        if _HEX.match(text):
            return int(text[2:], 16)
        number = float(text)
        if not math.isfinite(number):
            raise self._error(event, "a number must be finite; write it in quotes if it is text")
        return number

    def _error(self, event: Any, sentence: str) -> ConfigError:
        return ConfigError(f"{_at(self.place, event.start_mark)}: {sentence}")
