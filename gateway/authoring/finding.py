"""Findings of `gateway policy check`: what is wrong, where, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A file below the bundle's root, with line and column from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect. `rule` is a name of `catalogue.LINTS`; `related` are the other places that the
    message speaks of."""

    rule: str
    level: Level
    place: Place
    message: str
    mend: str
    related: tuple[Place, ...] = ()

    @property
    def file(self) -> str:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By place, the most severe first; the same sentence about the same place stands once."""
    by_sentence: dict[tuple[Place, str], Finding] = {}
    for finding in sorted(findings, key=lambda one: LEVELS.index(one.level)):
        by_sentence.setdefault((finding.place, finding.message), finding)
    return sorted(
        by_sentence.values(),
        key=lambda one: (one.place, LEVELS.index(one.level), one.rule, one.message),
    )


def count_levels(findings: Iterable[Finding]) -> dict[Level, int]:
    """How many findings there are of each level."""
    counts: dict[Level, int] = dict.fromkeys(LEVELS, 0)
    for finding in findings:
        counts[finding.level] += 1
    return counts
