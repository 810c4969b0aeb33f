"""One small change to one file of the policies."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_SHOWN = 90


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a mutant from all others while lines above it move: it is the `nth` (from 1) of
    the same edit by the same operator in the same rule or row."""

    path: str
    place: str
    operator: str
    edit: str
    nth: int = 1


@dataclass(frozen=True, slots=True)
class Mutant:
    """`path` is relative to the policies, `line` counts from 1, `content` is the whole file."""

    path: str
    line: int
    place: str
    operator: str
    edit: str
    content: bytes
    nth: int = 1

    @property
    def identity(self) -> Identity:
        return Identity(self.path, self.place, self.operator, self.edit, self.nth)

    def __str__(self) -> str:
        counted = f" (#{self.nth})" if self.nth > 1 else ""
        return f"{self.path}:{self.line} {self.operator} in {self.place}: {self.edit}{counted}"


def describe(before: str, after: str) -> str:
    """An edit on one line: `before → after`."""
    return f"{_shorten(before)} → {_shorten(after) or '(nothing)'}"


def number(mutants: Iterable[Mutant], original: bytes) -> Iterator[Mutant]:
    """Distinct mutants of one file, told apart by `nth`; those that change nothing are left out."""
    seen = {original}
    counts: Counter[Identity] = Counter()
    for mutant in mutants:
        if mutant.content in seen:
            continue
        seen.add(mutant.content)
        counts[mutant.identity] += 1
        yield replace(mutant, nth=counts[mutant.identity])


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
