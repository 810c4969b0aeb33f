"""Which names a pattern matches, as an automaton: exact answers about any two patterns.

Only what RE2 and Python's parser of expressions read alike is built; flags and word boundaries are
given up on. Every question is bounded, and says None where the bound is reached.
"""

import heapq
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from gateway.wire.continuations import is_anchored, parse_tree
from gateway.wire.patterns import Pattern

MAX_STATES = 1_500
MAX_VISITED = 4_000
_LAST = sys.maxunicode
_NEWLINE = 10
_ANY: "Ranges" = ((0, _LAST),)
_SURROGATES = (0xD800, 0xDFFF)
# RE2's classes are ASCII's.
_CATEGORIES: dict[str, "Ranges"] = {
    "DIGIT": ((48, 57),),
    "SPACE": ((9, 10), (12, 13), (32, 32)),
    "WORD": ((48, 57), (65, 90), (95, 95), (97, 122)),
}
_PREFERRED = [*map(ord, "abcdefghijklmnopqrstuvwxyz0123456789-_.ABCDEFGHIJKLMNOPQRSTUVWXYZ")]

Ranges = tuple[tuple[int, int], ...]
States = frozenset[int]


class _UnreadableError(Exception):
    """The expression has a construct that is not built, or is too large."""


class _BoundError(Exception):
    """A question would take too long."""


@dataclass(slots=True)
class Language:
    """The names that a search finds: states with edges by ranges of code points, and moves that
    need no character (always, at the start, at the end)."""

    edges: list[list[tuple[Ranges, int]]] = field(default_factory=list)
    moves: list[list[tuple[str, int]]] = field(default_factory=list)
    accept: int = 0
    _known: dict[tuple[States, int], States] = field(default_factory=dict)

    def begin(self) -> States:
        """The states before the first character."""
        return self._closure({0}, "start")

    def after(self, states: States, code: int) -> States:
        """The states after one more character."""
        if (known := self._known.get((states, code))) is not None:
            return known
        reached = {
            target
            for state in states
            for ranges, target in self.edges[state]
            if any(low <= code <= high for low, high in ranges)
        }
        found = self._known[(states, code)] = self._closure(reached, "")
        return found

    def is_match(self, states: States) -> bool:
        """Whether a name that ends here is matched."""
        return self.accept in self._closure(states, "end")

    def is_settled(self, states: States) -> bool:
        """Whether every longer name is matched too."""
        return self.accept in states

    def cuts(self, states: States) -> Iterator[int]:
        """Where the code points that lead on differently begin."""
        for state in states:
            for ranges, _ in self.edges[state]:
                for low, high in ranges:
                    yield low
                    yield high + 1

    def _closure(self, states: Iterable[int], at: str) -> States:
        reached = set(states)
        waiting = list(reached)
        while waiting:
            for condition, target in self.moves[waiting.pop()]:
                if condition in ("", at) and target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return frozenset(reached)


def language_of(pattern: Pattern, is_lowered: bool = False) -> Language | None:
    """The language of a pattern; `is_lowered`: of the names that match once they are lower-cased.
    None for what is not built."""
    tree = parse_tree(pattern.expression)
    if tree is None or set(tree[1]) - {"s"}:
        return None
    builder = _Builder(is_lowered)
    try:
        builder.build(tree[0], "s" in tree[1], is_anchored(pattern.expression))
    except (_UnreadableError, RecursionError):
        return None
    return builder.language


def shared_name(one: Language, other: Language) -> str | None:
    """The shortest name that both match; None where there is none, or none within bounds."""
    try:
        for name, states in _explore([one, other], 2):
            if name and one.is_match(states[0]) and other.is_match(states[1]):
                return name
    except _BoundError:
        pass
    return None


def is_covered(later: Language, earlier: Sequence[Language]) -> bool:
    """Whether each name that `later` matches one of `earlier` matches too; False when in doubt."""

    def is_settled(states: tuple[States, ...]) -> bool:
        pairs = zip(earlier, states[1:], strict=True)
        return any(language.is_settled(reached) for language, reached in pairs)

    try:
        for name, states in _explore([later, *earlier], 1, is_settled):
            if not name or not later.is_match(states[0]):
                continue
            pairs = zip(earlier, states[1:], strict=True)
            if not any(language.is_match(reached) for language, reached in pairs):
                return False
    except _BoundError:
        return False
    return True


def shortest_bytes(language: Language) -> int | None:
    """The length in UTF-8 of the shortest name that is matched; None for none."""
    best: dict[States, int] = {language.begin(): 0}
    waiting: list[tuple[int, int, States, bool]] = [(0, 0, language.begin(), False)]
    count = 0
    while waiting and count < MAX_VISITED:
        length, _, states, is_name = heapq.heappop(waiting)
        if is_name and language.is_match(states):
            return length
        for code in _representatives([language], [states]):
            reached = language.after(states, code)
            longer = length + len(chr(code).encode())
            if reached and (not is_name or longer < best.get(reached, longer + 1)):
                best[reached] = longer
                count += 1
                heapq.heappush(waiting, (longer, count, reached, True))
    return None


def _explore(
    languages: Sequence[Language],
    alive: int,
    is_settled: Callable[[tuple[States, ...]], bool] = lambda _: False,
) -> Iterator[tuple[str, tuple[States, ...]]]:
    """Names in order of length, one for each combination of states that is reached and from which
    the first `alive` languages can go on; none beyond those where `is_settled`. Raises _BoundError
    past MAX_VISITED."""
    start = tuple(language.begin() for language in languages)
    waiting: list[tuple[str, tuple[States, ...]]] = [("", start)]
    # The empty text is no name; a name may reach the same states, so they do not count as seen.
    seen: set[tuple[States, ...]] = set()
    for name, states in waiting:  # grows while it is read
        yield name, states
        if is_settled(states):
            continue
        for code in _representatives(languages, states):
            reached = tuple(
                language.after(own, code) for language, own in zip(languages, states, strict=True)
            )
            if all(reached[:alive]) and reached not in seen:
                seen.add(reached)
                waiting.append((name + chr(code), reached))
        if len(seen) > MAX_VISITED:
            raise _BoundError


def _representatives(languages: Sequence[Language], states: Sequence[States]) -> list[int]:
    """One code point of each range within which all characters lead to the same."""
    cuts = {0, _LAST + 1, _SURROGATES[0], _SURROGATES[1] + 1}
    for language, own in zip(languages, states, strict=True):
        cuts.update(language.cuts(own))
    ordered = sorted(cuts)
    found = []
    for low, after in pairwise(ordered):
        if low != _SURROGATES[0] and not _SURROGATES[0] < low <= _SURROGATES[1]:
            found.append(next((code for code in _PREFERRED if low <= code < after), low))
    return found


class _Builder:
    """Thompson's construction over the parser's nodes."""

    def __init__(self, is_lowered: bool) -> None:
        self.language = Language()
        self._is_lowered = is_lowered

    def build(self, nodes: Sequence[Any], is_dotall: bool, is_anchored: bool) -> None:
        start = self._state()
        if not is_anchored:
            self._edge(start, _ANY, start)
        end = self._sequence(nodes, self._moved(start), is_dotall)
        self.language.accept = self._moved(end)
        self._edge(self.language.accept, _ANY, self.language.accept)

    def _state(self) -> int:
        if len(self.language.edges) >= MAX_STATES:
            raise _UnreadableError
        self.language.edges.append([])
        self.language.moves.append([])
        return len(self.language.edges) - 1

    def _edge(self, state: int, ranges: Ranges, target: int) -> None:
        if self._is_lowered:
            ranges = _before_lowering(ranges)
        self.language.edges[state].append((ranges, target))

    def _moved(self, state: int, condition: str = "", target: int | None = None) -> int:
        to = self._state() if target is None else target
        self.language.moves[state].append((condition, to))
        return to

    def _sequence(self, nodes: Sequence[Any], at: int, is_dotall: bool) -> int:
        for name, argument in nodes:
            at = self._node(str(name), argument, at, is_dotall)
        return at

    def _node(self, name: str, argument: Any, at: int, is_dotall: bool) -> int:
        match name:
            case "AT":
                return self._moved(at, _position(str(argument)))
            case "BRANCH":
                end = self._state()
                for branch in argument[1]:
                    self._moved(self._sequence(branch, self._moved(at), is_dotall), target=end)
                return end
            case "SUBPATTERN":
                _, added, removed, nodes = argument
                return self._sequence(nodes, at, _dotall(added, removed, is_dotall))
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repeat(argument, at, is_dotall)
        end = self._state()
        self._edge(at, _ranges(name, argument, is_dotall), end)
        return end

    def _repeat(self, argument: Any, at: int, is_dotall: bool) -> int:
        least, most, nodes = argument
        for _ in range(least):
            at = self._sequence(nodes, at, is_dotall)
        if str(most) == "MAXREPEAT":
            loop = self._moved(at)
            self._moved(self._sequence(nodes, loop, is_dotall), target=loop)
            return self._moved(loop)
        end = self._state()
        self._moved(at, target=end)
        for _ in range(int(most) - least):
            at = self._sequence(nodes, at, is_dotall)
            self._moved(at, target=end)
        return end


def _position(name: str) -> str:
    if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return "start"
    if name in ("AT_END", "AT_END_STRING"):
        return "end"
    raise _UnreadableError


def _dotall(added: int, removed: int, is_dotall: bool) -> bool:
    if (added | removed) & ~int(re.DOTALL):
        raise _UnreadableError
    return (is_dotall or bool(added)) and not removed


def _ranges(name: str, argument: Any, is_dotall: bool) -> Ranges:
    match name:
        case "LITERAL":
            return ((argument, argument),)
        case "NOT_LITERAL":
            return _complement(((argument, argument),))
        case "ANY":
            return _ANY if is_dotall else _complement(((_NEWLINE, _NEWLINE),))
        case "IN":
            return _set_ranges(argument)
    raise _UnreadableError


def _set_ranges(items: Sequence[Any]) -> Ranges:
    parts: list[tuple[int, int]] = []
    is_negated = False
    for name, argument in items:
        match str(name):
            case "NEGATE":
                is_negated = True
            case "LITERAL":
                parts.append((argument, argument))
            case "RANGE":
                parts.append((argument[0], argument[1]))
            case "CATEGORY":
                kind = str(argument).removeprefix("CATEGORY_")
                own = _CATEGORIES.get(kind.removeprefix("NOT_"))
                if own is None:
                    raise _UnreadableError
                parts += _complement(own) if kind.startswith("NOT_") else own
            case _:
                raise _UnreadableError
    return _complement(tuple(parts)) if is_negated else tuple(parts)


def _complement(ranges: Ranges) -> Ranges:
    found, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            found.append((at, low - 1))
        at = max(at, high + 1)
    return (*found, (at, _LAST)) if at <= _LAST else tuple(found)


def _before_lowering(ranges: Ranges) -> Ranges:
    """The characters whose lower-case form lies in the ranges (of letters, ASCII's alone)."""
    shift = ord("a") - ord("A")
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        if low < ord("A"):
            found.append((low, min(high, ord("A") - 1)))
        if high > ord("Z"):
            found.append((max(low, ord("Z") + 1), high))
        first, last = max(low, ord("a")), min(high, ord("z"))
        if first <= last:
            found.append((first - shift, last - shift))
    return tuple(found)
