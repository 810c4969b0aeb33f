"""Rows that say the same or the opposite of one another.

Shadowed: each name that the row matches is matched by earlier rows of its list. Decided exactly, by
automata, for whatever `languages` builds; a regex with flags or word boundaries is compared by its
text alone. All rows that match give a reason, so a shadowed row with another control, share or
level is only a note; one that says nothing else is a warning.

Contradictory: a row that allows dropping and a row of `never_filter` match a common name, as it is
or lower-cased; the message names one. Only the floor's rows count as opposites, since an exception
against a soft rule is lawful. The floor wins, so nothing protected is dropped; the row misleads.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding
from gateway.authoring.languages import Language, is_covered, language_of, shared_name
from gateway.authoring.rows import NEVER_FILTER, Row
from gateway.wire.expression_sets import literal_prefix
from gateway.wire.patterns import Pattern

Compiled = tuple[Row, Pattern, Language | None]
_MAX_EARLIER = 40  # of those that may overlap, the nearest
_SAYS_NOTHING = {"id", "regex", "glob", "reason", "owner", "review_due", "remediation", "expected"}


def check_pairs(compiled: Sequence[Compiled]) -> list[Finding]:
    """Shadowed and contradictory rows."""
    by_list: dict[Any, list[Compiled]] = {}
    for item in compiled:
        by_list.setdefault(item[0].list_key, []).append(item)
    findings = [
        finding
        for rows in by_list.values()
        for at, item in enumerate(rows)
        if (finding := _shadowed(item, rows[:at])) is not None
    ]
    protecting = [item for item in compiled if item[0].list_name == NEVER_FILTER]
    for item in compiled:
        if item[0].allows_dropping and (opposite := _contradiction(item, protecting)) is not None:
            findings.append(opposite)
    return findings


def _shadowed(item: Compiled, earlier: Sequence[Compiled]) -> Finding | None:
    row, pattern, _ = item
    near = [one for one in earlier if _may_overlap(one[1], pattern)][-_MAX_EARLIER:]
    alike = [one for one in near if _meaning(one[0].value) == _meaning(row.value)]
    for candidates, is_idle in ((alike, True), (near, False)):
        shadowing = _cover(item, candidates)
        if shadowing:
            finding = found(
                "pattern-shadowed",
                row.place_of(pattern.kind),
                f"each name that {row.shown} matches is matched before, by "
                + " and ".join(one[0].shown for one in shadowing),
                "remove the row, or narrow the earlier ones"
                if is_idle
                else "nothing, if both controls are meant to be named",
                tuple(one[0].place_of(one[1].kind) for one in shadowing),
            )
            return finding if is_idle else _as_note(finding)
    return None


def _cover(item: Compiled, candidates: Sequence[Compiled]) -> list[Compiled]:
    """One candidate that covers the row, else all that do so together, else none."""
    _, pattern, language = item
    for one in candidates:
        if one[1] == pattern:
            return [one]
    if language is None:
        return []
    built = [(one, one[2]) for one in candidates if one[2] is not None]
    example = shared_name(language, language)
    if example is None or not any(one[1].matches(example) for one, _ in built):
        return []  # the usual case, told cheaply
    for one, other in built:
        if one[1].matches(example) and is_covered(language, [other]):
            return [one]
    if len(built) > 1 and is_covered(language, [other for _, other in built]):
        return [one for one, _ in built]
    return []


def _contradiction(item: Compiled, protecting: Sequence[Compiled]) -> Finding | None:
    """One finding for the row, which names the first of the rows that it contradicts."""
    row, pattern, language = item
    against = []
    for kept, kept_pattern, kept_language in protecting:
        if _may_overlap(pattern, kept_pattern):
            name = _common_name(pattern, language, kept_pattern, kept_language)
            if name is not None:
                against.append((name, kept, kept.place_of(kept_pattern.kind)))
    if not against:
        return None
    name, kept, there = against[0]
    more = f" (and so for {len(against) - 1} more rows)" if len(against) > 1 else ""
    return found(
        "pattern-contradictory",
        row.place_of(pattern.kind),
        f"{row.shown} allows dropping {name!r}, which {kept.shown} at {there} never filters{more}",
        "narrow one of them",
        tuple(place for _, _, place in against),
    )


def _common_name(
    pattern: Pattern, language: Language | None, kept: Pattern, kept_language: Language | None
) -> str | None:
    if language is None or kept_language is None:
        return None
    name = shared_name(language, kept_language)
    for one, other in ((pattern, kept), (kept, pattern)):
        if name is None:
            lowered = language_of(other, is_lowered=True)
            plain = language_of(one)
            if plain is not None and lowered is not None:
                name = shared_name(plain, lowered)
    return name


def _may_overlap(one: Pattern, other: Pattern) -> bool:
    first = literal_prefix(one.kind, one.text).lower()
    second = literal_prefix(other.kind, other.text).lower()
    return first.startswith(second) or second.startswith(first)


def _meaning(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in _SAYS_NOTHING}


def _as_note(finding: Finding) -> Finding:
    return Finding(
        finding.rule, "note", finding.place, finding.message, finding.mend, finding.related
    )
