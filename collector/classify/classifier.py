"""Scores a process by the names that policies know it by; doubt scores higher, never lower."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.classify.configuration import ClassRule, Override
from collector.sources.interpreters import find_interpreter
from collector.sources.purpose import COMM_BYTES, UNKNOWN_PURPOSE
from gateway.wire.classes import (
    EXECUTABLE_NAME,
    EXECUTABLE_PATH,
    IDENTITY,
    IDENTITY_SOURCE,
    NAME_ATTRIBUTES,
)
from gateway.wire.patterns import PatternSet, always_continues, matches_any_case

DEFAULT_SCORE = 0.5
UNCLASSIFIED = "unclassified"
_MAX_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Classification:
    """What a process scores (0 to 1) and why. `why` goes on the wire and names classes, never
    patterns (they may be sensitive); `reason` is the operator's, of an override."""

    class_name: str
    score: float
    why: str
    force_collect: bool = False
    reason: str = ""
    special_handling: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Names:
    """What classification depends on, and nothing else."""

    names: tuple[str, ...]
    cut: tuple[str, ...]  # those of the names that may go on
    source: str


class Classifier:
    """Classifies by classes and overrides; the highest score wins.

    Without a class a process scores 0.5. A name that was cut takes the highest score of any pattern
    that could match some continuation of it, and no pattern lowers it unless every continuation
    matches. A process of unknown purpose is always collected.
    """

    def __init__(self, rules: Sequence[ClassRule], overrides: Sequence[Override] = ()) -> None:
        self._rules = tuple(rules)
        self._overrides = tuple(overrides)
        self._owners = [(rule, at) for rule in rules for at in range(len(rule.patterns))]
        self._class_patterns = PatternSet([p for rule in rules for p in rule.patterns])
        self._override_patterns = PatternSet([override.pattern for override in overrides])
        self._seen: set[int] = set()
        self._seen_overrides: set[int] = set()
        self._remembered: dict[_Names, Classification] = {}

    def classify(self, attributes: Mapping[str, object]) -> Classification:
        """The classification of a process with these resource attributes."""
        names = _names_of(attributes)
        known = self._remembered.get(names)
        if known is None:
            known = self._classify(names)
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[names] = known
        return known

    def unmatched(self) -> tuple[str, ...]:
        """The places of the patterns that have matched no process so far, to be reported: a
        pattern that protects nothing is often a misspelt one."""
        classes = (
            f"process_classification.{rule.name}.patterns[{at}]"
            for position, (rule, at) in enumerate(self._owners)
            if position not in self._seen
        )
        overrides = (
            f"overrides[{position}].process"
            for position in range(len(self._overrides))
            if position not in self._seen_overrides
        )
        return (*classes, *overrides)

    def _classify(self, names: _Names) -> Classification:
        matched = self._matching(self._class_patterns, names, self._seen)
        overridden = self._matching(self._override_patterns, names, self._seen_overrides)
        rules = list({self._owners[at][0].name: self._owners[at][0] for at in matched}.values())
        overrides = [self._overrides[at] for at in overridden]
        scored = [(rule.score, rule.name, f"class {rule.name}") for rule in rules]
        scored += [
            (override.importance, "override", override.reason or "override")
            for override in overrides
            if override.importance is not None
        ]
        if not scored or self._is_doubtful(names, matched, overridden):
            scored.append((DEFAULT_SCORE, UNCLASSIFIED, "no class matches"))
        score, class_name, why = max(scored, key=lambda item: item[0])
        forcing = [override for override in overrides if override.force_collect]
        reason = forcing[0].reason if forcing else ""
        if names.source in UNKNOWN_PURPOSE and not forcing:
            reason = "the process's purpose is not known"
        return Classification(
            class_name=class_name,
            score=score,
            why=why,
            force_collect=bool(forcing) or names.source in UNKNOWN_PURPOSE,
            reason=reason,
            special_handling=frozenset().union(*(rule.special_handling for rule in rules)),
        )

    def _matching(self, patterns: PatternSet, names: _Names, seen: set[int]) -> list[int]:
        found = {at for name in names.names for at in patterns.matches_any_case(name)}
        seen |= found
        found_in_cut = {at for name in names.cut for at in patterns.matches_continuation(name)}
        return sorted(found | found_in_cut)

    def _is_doubtful(
        self, names: _Names, matched: Sequence[int], overridden: Sequence[int]
    ) -> bool:
        """Whether a cut name might go on so that none of what matched it still does."""
        if not names.cut:
            return False
        whole = [name for name in names.names if name not in names.cut]
        scoring = [self._class_patterns.patterns[at] for at in matched]
        scoring += [
            self._override_patterns.patterns[at]
            for at in overridden
            if self._overrides[at].importance is not None
        ]
        return not any(
            any(always_continues(pattern, name) for name in names.cut)
            or any(matches_any_case(pattern, name) for name in whole)
            for pattern in scoring
        )


def _names_of(attributes: Mapping[str, object]) -> _Names:
    path = attributes.get(EXECUTABLE_PATH)
    values = [attributes.get(name) for name in NAME_ATTRIBUTES]
    values.append(path.rpartition("/")[2] if isinstance(path, str) else None)
    names = tuple(dict.fromkeys(name for name in values if isinstance(name, str) and name))
    given = attributes.get(IDENTITY_SOURCE)
    source = given if isinstance(given, str) else _source_of_names(names)
    is_cut = source == "truncated" or _is_only_name_cut(names, path)
    may_go_on = (attributes.get(EXECUTABLE_NAME), attributes.get(IDENTITY))
    cut = tuple(name for name in names if name in may_go_on) if is_cut else ()
    return _Names(names, cut, source if names else "unknown")


def _source_of_names(names: Sequence[str]) -> str:
    """For a process whose sender names no source: an interpreter's name alone tells nothing."""
    return "interpreter" if all(find_interpreter(name) is not None for name in names) else "label"


def _is_only_name_cut(names: Sequence[str], path: object) -> bool:
    return (
        path is None and len(names) == 1 and len(names[0].encode("utf-8", "replace")) == COMM_BYTES
    )
