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

PatternKind = Literal["regex", "glob"]
KINDS: tuple[PatternKind, ...] = ("regex", "glob")
MAX_PATTERN_CHARACTERS = 1024

_SET_CHUNK = 1000
_MAX_MEMORY_BYTES = 32 * 1024 * 1024
_REPLACEMENT = "\ufffd"
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
        return re2.compile(self.expression.encode(), _options())

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
        re2.compile(expression.encode(), _options())
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
    compiled = re2.compile(prefix.encode(), _options())
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
        self._names = _ExpressionSet([p.expression for p in self.patterns])

    def __len__(self) -> int:
        return len(self.patterns)

    def matches(self, name: str) -> tuple[int, ...]:
        """The positions, rising, of the patterns that the name as it is matches."""
        return self._names.matches(name)

    def first(self, name: str) -> int | None:
        """The first position of `matches`, or None."""
        return next(iter(self.matches(name)), None)

    def matches_any_case(self, name: str) -> tuple[int, ...]:
        """The positions, rising, that the name matches as it is or lower-cased."""
        found = {i for form in name_forms(name) for i in self._names.matches(form)}
        return tuple(sorted(found))

    def matches_continuation(self, truncated: str) -> tuple[int, ...]:
        """The positions, rising, of `could_match_continuation`."""
        places, expressions, always = self._prefixes
        forms = _truncated_forms(truncated)
        found = {places[i] for form in forms for i in expressions.matches(form)}
        return tuple(sorted(found | always))

    @cached_property
    def _prefixes(self) -> tuple[list[int], "_ExpressionSet", set[int]]:
        places, expressions, always = [], [], set()
        for place, pattern in enumerate(self.patterns):
            if pattern.prefix_expression is None:
                always.add(place)
            else:
                places.append(place)
                expressions.append(pattern.prefix_expression)
        return places, _ExpressionSet(expressions), always


class _ExpressionSet:
    """RE2 sets in chunks. RE2 answers "nothing" when a set's automaton runs out of memory, so each
    chunk ends in an expression that always matches: an answer without it is asked again one by one.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self._chunks = [
            _Chunk(start, expressions[start : start + _SET_CHUNK])
            for start in range(0, len(expressions), _SET_CHUNK)
        ]

    def matches(self, name: str) -> tuple[int, ...]:
        encoded = encode_name(name)
        return tuple(i for chunk in self._chunks for i in chunk.matches(encoded))


class _Chunk:
    def __init__(self, start: int, expressions: Sequence[str]) -> None:
        self._start = start
        self._expressions = [expression.encode() for expression in expressions]
        self._sentinel = len(expressions)
        self._set: Any = None
        candidate = re2.Set.SearchSet(_options())
        try:
            for expression in [*self._expressions, b""]:
                candidate.Add(expression)
            candidate.Compile()
            self._set = candidate
        except re2.error:
            self._set = None  # too large for one automaton

    def matches(self, encoded: bytes) -> list[int]:
        found = (self._set.Match(encoded) or ()) if self._set is not None else ()
        if self._sentinel in found:
            return sorted(self._start + i for i in found if i != self._sentinel)
        options = _options()
        return [
            self._start + i
            for i, expression in enumerate(self._expressions)
            if re2.compile(expression, options).search(encoded) is not None
        ]


def name_forms(name: str) -> tuple[str, ...]:
    """The forms of a name that patterns are asked about: as it is, and lower-cased."""
    lower = name.lower()
    return (name,) if lower == name else (name, lower)


def encode_name(name: str) -> bytes:
    """UTF-8; what is no character (a lone surrogate) becomes U+FFFD, so that `.` and `*` see it."""
    try:
        return name.encode()
    except UnicodeEncodeError:
        return "".join(_REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in name).encode()


def _truncated_forms(truncated: str) -> tuple[str, ...]:
    """A cut may fall inside a character: what is left of it is no part of the name."""
    end = len(truncated)
    while end and _is_no_character(truncated[end - 1]):
        end -= 1
    return name_forms(truncated[:end])


def _is_no_character(c: str) -> bool:
    return c == _REPLACEMENT or "\ud800" <= c <= "\udfff"


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
        re2.compile(expression.encode(), _options())
    except re2.error:
        return False
    return True


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would write the pattern to standard error
    options.max_mem = _MAX_MEMORY_BYTES
    return options


def _cause(error: Exception) -> str:
    """RE2's words up to the colon; what follows is the pattern's own text."""
    if isinstance(error, UnicodeEncodeError):
        return "not Unicode text"
    detail = error.args[0] if error.args else ""
    text = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
    return text.partition(":")[0] or "refused"
