"""Many RE2 expressions asked of one name at once.

`ExpressionSet` is RE2's own set, made safe; `PrefixIndex` finds by their literal beginning the few
expressions that a name can match at all, so that a hundred thousand rows cost what a hundred do.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import re2

CHUNK = 1000
MAX_MEMORY_BYTES = 32 * 1024 * 1024
REPLACEMENT = "\ufffd"

# `^` and plain letters; a letter that a quantifier follows is not certain, so it is left out.
_REGEX_PREFIX = re.compile(r"\^((?:[A-Za-z0-9_-](?![*?+{]))+)")
_GLOB_PREFIX = re.compile(r"[^*?\[\ufffd]+")


class ExpressionSet:
    """RE2 sets in chunks. RE2 answers "nothing" when a set's automaton runs out of memory, so each
    chunk ends in an expression that always matches: an answer without it is asked again one by one.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self._chunks = [
            _Chunk(start, expressions[start : start + CHUNK])
            for start in range(0, len(expressions), CHUNK)
        ]

    def matches(self, name: str) -> tuple[int, ...]:
        """The positions, rising, of the expressions that a search finds in the name."""
        encoded = encode_name(name)
        return tuple(i for chunk in self._chunks for i in chunk.matches(encoded))


class _Chunk:
    def __init__(self, start: int, expressions: Sequence[str]) -> None:
        self._start = start
        self._expressions = [expression.encode() for expression in expressions]
        self._sentinel = len(expressions)
        self._set: Any = None
        candidate = re2.Set.SearchSet(options())
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
        plain = options()
        return [
            self._start + i
            for i, expression in enumerate(self._expressions)
            if re2.compile(expression, plain).search(encoded) is not None
        ]


class PrefixIndex:
    """Positions by the literal text that every match must begin with."""

    def __init__(self) -> None:
        self._positions: dict[str, list[int]] = {}
        self._sorted: list[str] | None = None
        self._lengths: set[int] = set()

    def add(self, prefix: str, position: int) -> None:
        """Enter one position under its literal beginning."""
        self._positions.setdefault(prefix, []).append(position)
        self._lengths.add(len(prefix))
        self._sorted = None

    def beginning(self, name: str) -> Iterator[str]:
        """The entered beginnings that the name begins with."""
        fitting = (name[:n] for n in self._lengths if n <= len(name))
        return (prefix for prefix in fitting if prefix in self._positions)

    def going_on(self, truncated: str) -> Iterator[str]:
        """The entered beginnings that are longer than the text and begin with it."""
        if self._sorted is None:
            self._sorted = sorted(self._positions)
        at = bisect_left(self._sorted, truncated)
        while at < len(self._sorted) and self._sorted[at].startswith(truncated):
            if self._sorted[at] != truncated:
                yield self._sorted[at]
            at += 1

    def positions(self, prefix: str) -> list[int]:
        """What stands under a beginning."""
        return self._positions[prefix]


def literal_prefix(kind: str, text: str) -> str:
    """What every name that a pattern matches begins with; "" when that is not plain to see."""
    if kind == "glob":
        found = _GLOB_PREFIX.match(text)
        return found[0] if found else ""
    start = _REGEX_PREFIX.match(text)
    # An alternative may begin otherwise; flags inside a group do not reach what precedes it.
    return start[1] if start and "|" not in text else ""


def encode_name(name: str) -> bytes:
    """UTF-8; what is no character (a lone surrogate) becomes U+FFFD, so that `.` and `*` see it."""
    try:
        return name.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in name).encode()


def options() -> Any:
    """RE2's options: silent (it would write patterns to standard error) and bounded in memory."""
    chosen = re2.Options()
    chosen.log_errors = False
    chosen.max_mem = MAX_MEMORY_BYTES
    return chosen
