"""Patterns that people write for process names, over RE2 (docs/formats.md section 7).

A regex is an RE2 *search* (`^customer-data-processor` is a prefix, `etcd` also finds `etcd-check`);
a glob matches the whole name. RE2 runs in time linear in the name, whatever the pattern.
"""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import re2

from gateway.errors import ConfigError
from gateway.wire import continuations
from gateway.wire.expression_sets import (
    REPLACEMENT,
    ExpressionSet,
    PrefixIndex,
    encode_name,
    literal_prefix,
    options,
)

PatternKind = Literal["regex", "glob"]
KINDS: tuple[PatternKind, ...] = ("regex", "glob")
MAX_PATTERN_CHARACTERS = 1024

_MAX_ASKED_ALONE = 8
_GLOB_SET = re.compile(r"\[([!^]?)(\]?[^\]]*)\]", re.DOTALL)


@dataclass(frozen=True)
class Pattern:
    """One pattern. `expression` is its RE2 form, to be searched for."""

    kind: PatternKind
    text: str
    expression: str = field(compare=False, repr=False)

    def matches(self, name: str) -> bool:
        """Whether the name, as it is, matches."""
        return self._compiled.search(encode_name(name)) is not None

    @cached_property
    def _compiled(self) -> Any:
        return re2.compile(self.expression.encode(), options())

    @cached_property
    def prefix_expression(self) -> str | None:
        """What beginnings of matching names match; None when any beginning could go on to match."""
        prefix = continuations.prefix_expression(self.expression)
        if prefix is None or not _is_compilable(prefix):
            return None
        return prefix


def parse_pattern(kind: str, text: Any, place: str) -> Pattern:
    """A pattern of `kind` regex or glob; `place` names it in messages. Raises ConfigError, whose
    message never carries the pattern itself (patterns may be sensitive)."""
    if kind not in KINDS:
        raise ConfigError(f"{place}: a pattern is a regex or a glob; name it one of the two")
    if not isinstance(text, str) or not text:
        raise ConfigError(f"{place}: the {kind} must be text that is not empty; write it in quotes")
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise ConfigError(
            f"{place}: the {kind} is longer than {MAX_PATTERN_CHARACTERS} characters; split it"
        )
    checked: PatternKind = "glob" if kind == "glob" else "regex"
    try:
        expression = _translate_glob(text, place) if checked == "glob" else text
        re2.compile(expression.encode(), options())
    except (re2.error, UnicodeEncodeError) as error:
        raise ConfigError(
            f"{place}: the {kind} is not valid RE2 ({_cause(error)}); mend it"
        ) from None
    return Pattern(checked, text, expression)


def parse_row(row: Mapping[str, Any], place: str) -> Pattern:
    """The pattern of a row that has exactly one of `regex` and `glob`. Raises ConfigError."""
    given = [kind for kind in KINDS if kind in row]
    if len(given) != 1:
        raise ConfigError(f"{place}: write exactly one of regex and glob")
    return parse_pattern(given[0], row[given[0]], f"{place}.{given[0]}")


def is_anchored(pattern: Pattern) -> bool:
    """Whether every match begins at the start of the name, as a glob's do; False when in doubt."""
    return pattern.kind == "glob" or continuations.is_anchored(pattern.expression)


def matches_any_case(pattern: Pattern, name: str) -> bool:
    """Whether the name matches as it is or lower-cased."""
    return any(pattern.matches(form) for form in name_forms(name))


def could_match_continuation(pattern: Pattern, truncated: str) -> bool:
    """Whether some name that begins with `truncated` could match, as it is or lower-cased. Errs
    only towards True."""
    prefix = pattern.prefix_expression
    if prefix is None:
        return True
    compiled = re2.compile(prefix.encode(), options())
    return any(
        compiled.search(encode_name(form)) is not None for form in _truncated_forms(truncated)
    )


def always_continues(pattern: Pattern, truncated: str) -> bool:
    """Whether every name that begins with `truncated` matches. Errs only towards False."""
    if pattern.kind == "glob":
        # The last * is no part of a set: a set ends with ].
        is_open = pattern.text.endswith("*")
    else:
        is_open = continuations.is_end_free(pattern.expression)
    return is_open and any(pattern.matches(form) for form in _truncated_forms(truncated))


class PatternSet:
    """Many patterns asked at once. Positions are those of the sequence given."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = tuple(patterns)
        self._index = PrefixIndex()
        others = []
        for position, pattern in enumerate(self.patterns):
            prefix = literal_prefix(pattern.kind, pattern.text)
            if prefix:
                self._index.add(prefix, position)
            else:
                others.append(position)
        self._others = _Group(others, self.patterns)
        self._groups: dict[str, _Group] = {}

    def __len__(self) -> int:
        return len(self.patterns)

    def matches(self, name: str) -> tuple[int, ...]:
        """The positions, rising, of the patterns that the name as it is matches."""
        found = list(self._others.matches(name))
        for prefix in self._index.beginning(name):
            found += self._group(prefix).matches(name)
        return tuple(sorted(found))

    def first(self, name: str) -> int | None:
        """The first position of `matches`, or None."""
        return next(iter(self.matches(name)), None)

    def matches_any_case(self, name: str) -> tuple[int, ...]:
        """The positions, rising, that the name matches as it is or lower-cased."""
        found = {i for form in name_forms(name) for i in self.matches(form)}
        return tuple(sorted(found))

    def matches_continuation(self, truncated: str) -> tuple[int, ...]:
        """The positions, rising, of `could_match_continuation`."""
        found: set[int] = set()
        for form in _truncated_forms(truncated):
            found.update(self._others.matches_continuation(form))
            for prefix in self._index.beginning(form):
                found.update(self._group(prefix).matches_continuation(form))
            for prefix in self._index.going_on(form):
                found.update(self._index.positions(prefix))
        return tuple(sorted(found))

    def _group(self, prefix: str) -> "_Group":
        group = self._groups.get(prefix)
        if group is None:
            group = _Group(self._index.positions(prefix), self.patterns)
            self._groups[prefix] = group
        return group


class _Group:
    """Patterns that nothing tells apart before they are asked: a few alone, many in RE2 sets."""

    def __init__(self, positions: Sequence[int], patterns: Sequence[Pattern]) -> None:
        self._positions = positions
        self._patterns = [patterns[position] for position in positions]

    def matches(self, name: str) -> list[int]:
        if len(self._patterns) <= _MAX_ASKED_ALONE:
            asked = zip(self._positions, self._patterns, strict=True)
            return [position for position, pattern in asked if pattern.matches(name)]
        return [self._positions[at] for at in self._expressions.matches(name)]

    def matches_continuation(self, truncated: str) -> set[int]:
        places, expressions, always = self._prefixes
        return always | {places[at] for at in expressions.matches(truncated)}

    @cached_property
    def _expressions(self) -> ExpressionSet:
        return ExpressionSet([pattern.expression for pattern in self._patterns])

    @cached_property
    def _prefixes(self) -> tuple[list[int], ExpressionSet, set[int]]:
        places, expressions, always = [], [], set()
        for position, pattern in zip(self._positions, self._patterns, strict=True):
            if pattern.prefix_expression is None:
                always.add(position)
            else:
                places.append(position)
                expressions.append(pattern.prefix_expression)
        return places, ExpressionSet(expressions), always


def name_forms(name: str) -> tuple[str, ...]:
    """The forms of a name that patterns are asked about: as it is, and lower-cased."""
    lower = name.lower()
    return (name,) if lower == name else (name, lower)


def _truncated_forms(truncated: str) -> tuple[str, ...]:
    """A cut may fall inside a character: what is left of it is no part of the name."""
    end = len(truncated)
    while end and _is_no_character(truncated[end - 1]):
        end -= 1
    return name_forms(truncated[:end])


def _is_no_character(c: str) -> bool:
    return c == REPLACEMENT or "\ud800" <= c <= "\udfff"


def _translate_glob(glob: str, place: str) -> str:
    parts, at = [], 0
    while at < len(glob):
        character = glob[at]
        if character == "[":
            found = _GLOB_SET.match(glob, at)
            if found is None:
                raise ConfigError(f"{place}: a set [ in the glob is not closed; close it with ]")
            parts.append(f"[{'^' if found[1] else ''}{_escape_set(found[2])}]")
            at = found.end()
            continue
        parts.append({"*": ".*", "?": "."}.get(character) or _escape(character))
        at += 1
    return rf"\A(?s:{''.join(parts)})\z"


def _escape_set(inner: str) -> str:
    """A `-` between two characters is a range, elsewhere itself."""
    escaped = [_escape(character) for character in inner]
    for at in range(1, len(inner) - 1):
        if inner[at] == "-":
            escaped[at] = "-"
    return "".join(escaped)


def _escape(character: str) -> str:
    return "\\" + character if character in string.punctuation else character


def _is_compilable(expression: str) -> bool:
    try:
        re2.compile(expression.encode(), options())
    except re2.error:
        return False
    return True


def _cause(error: Exception) -> str:
    """RE2's words up to the colon; what follows is the pattern's own text."""
    if isinstance(error, UnicodeEncodeError):
        return "not Unicode text"
    detail = error.args[0] if error.args else ""
    text = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
    return text.partition(":")[0] or "refused"
