"""Lints of the patterns in data: rows with `regex` or `glob`, wherever they stand.

A list that allows dropping is one named `allow_drop` or `exceptions`, or one with
`allows_dropping: true` on it or around it; every other list protects, and may over-match.

Names cut to 15 bytes: the kernel keeps no more of a command's name, and a process of which nothing
else is known goes by it. Rows of `never_filter` join the floor, which protects a cut name whenever
one of them could match some continuation of it (gateway/wire/continuations.py, whatever the
pattern's length), so their length does not matter. In a list that allows dropping a row that never
matches a cut name errs towards keeping. What remains are other protective lists: OPA compares
their rows with the name as it is, so a row whose shortest match is longer than 15 bytes does
nothing for such a process; unless the policies keep every process whose identity source is
`truncated`, which `cut_names` asks them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding
from gateway.authoring.languages import Language, language_of, shortest_bytes
from gateway.authoring.pattern_pairs import check_pairs
from gateway.authoring.positions import split_message
from gateway.authoring.rows import NEVER_FILTER, Row
from gateway.authoring.traffic import Traffic
from gateway.decisions.floor import COMM_BYTES
from gateway.errors import ConfigError
from gateway.wire import continuations
from gateway.wire.patterns import Pattern, PatternSet, is_anchored, parse_row

# OPA's globs know {a,b} and \ and no [^…]; the floor's know * ? […] and [!…] (formats section 7).
_READ_DIFFERENTLY = re.compile(r"[{}\\]|\[\^|\[!?\]")

_MENDS = {
    "regex": "write it as RE2 reads it: no look-around and no back references; \\ before ( or [ "
    "that is meant as such",
    "glob": "write * for any run, ? for one character, […] for a set",
    "both": "remove one of the two",
}


@dataclass(frozen=True, slots=True)
class PatternRow:
    """A row with its compiled pattern, and its language where that can be built."""

    row: Row
    pattern: Pattern
    language: Language | None


def check_patterns(
    rows: Sequence[Row], traffic: Traffic | None, are_cut_names_kept: bool | None
) -> list[Finding]:
    """Every lint of patterns; those that need recorded traffic only with it. `are_cut_names_kept`:
    the policies keep every process whose name was cut, so that no row need match such a name; None
    where nobody can tell."""
    compiled, findings = _compile(rows)
    for item in compiled:
        findings += _check_alone(item)
        if are_cut_names_kept is False:
            findings += _check_length(item)
        if item.row.allows_dropping:
            findings += _check_dropping(item)
    if traffic is not None:
        findings += _check_seen(compiled, traffic)
    return findings + check_pairs([(item.row, item.pattern, item.language) for item in compiled])


def _compile(rows: Sequence[Row]) -> tuple[list[PatternRow], list[Finding]]:
    compiled, findings = [], []
    for row in rows:
        if not row.has_pattern or row.is_sealed:
            continue
        kind = "glob" if "glob" in row.value else "regex"
        at = row.place_of(kind)
        try:
            pattern = parse_row(row.value, str(at))
        except ConfigError as error:
            problem, _, mend = split_message(str(error), "")[1].partition("; ")
            problem = problem.removeprefix(f"{at}").lstrip(".:").removeprefix(f"{kind}: ")
            if mend in ("", "mend it"):
                mend = _MENDS["both" if {"regex", "glob"} <= row.value.keys() else kind]
            findings.append(found("pattern-uncompilable", at, problem.strip(), mend))
        else:
            compiled.append(PatternRow(row, pattern, language_of(pattern)))
    return compiled, findings


def _check_alone(item: PatternRow) -> list[Finding]:
    row, pattern = item.row, item.pattern
    at = row.place_of(pattern.kind)
    findings = []
    if pattern.kind == "glob" and _READ_DIFFERENTLY.search(pattern.text):
        findings.append(
            found(
                "pattern-read-differently",
                at,
                "{ } \\ [^ and [] mean one thing to OPA's globs and another to the floor's",
                "write a row for each alternative, [!…] for another set, or a regex",
            )
        )
    if item.language is not None and shortest_bytes(item.language) is None:
        findings.append(
            found("pattern-empty", at, f"no name matches {row.shown}", "mend the pattern")
        )
    return findings


def _check_length(item: PatternRow) -> list[Finding]:
    row = item.row
    if item.language is None or row.list_name == NEVER_FILTER or row.allows_dropping:
        return []
    shortest = shortest_bytes(item.language)
    if shortest is None or shortest <= COMM_BYTES:
        return []
    return [
        found(
            "pattern-past-cut",
            row.place_of(item.pattern.kind),
            f"every match of {row.shown} is longer than {COMM_BYTES} bytes; a process that goes by "
            "its cut command name is not matched, and the floor does not know this list",
            f"begin with at most {COMM_BYTES} bytes and leave the end open, or keep every process "
            "whose identity source is truncated",
        )
    ]


def _check_dropping(item: PatternRow) -> list[Finding]:
    row, pattern = item.row, item.pattern
    at = row.place_of(pattern.kind)
    findings = []
    if not is_anchored(pattern):
        findings.append(
            found(
                "pattern-unanchored",
                at,
                f"{row.shown} allows dropping and may match in the middle of a name",
                "begin the regex with ^, or write a glob",
            )
        )
    elif pattern.kind == "regex" and continuations.is_end_free(pattern.expression):
        findings.append(
            found(
                "pattern-open-ended",
                at,
                f"{row.shown} allows dropping whatever begins like this, as etcd-check for ^etcd",
                "end the regex with $ if one name is meant",
            )
        )
    if pattern.matches(""):
        findings.append(
            found(
                "pattern-matches-all",
                at,
                f"{row.shown} allows dropping and matches every name",
                "name what may be dropped",
            )
        )
    return findings


def _check_seen(compiled: Sequence[PatternRow], traffic: Traffic) -> list[Finding]:
    patterns = PatternSet([item.pattern for item in compiled])
    seen: set[int] = set()
    for name in traffic.names:
        seen.update(patterns.matches_any_case(name))
    for name in traffic.cut:
        seen.update(patterns.matches_continuation(name))
    return [
        found(
            "pattern-unseen",
            item.row.place_of(item.pattern.kind),
            f"{item.row.shown} matches none of the {len(traffic.names | traffic.cut)} names "
            "recorded",
            "correct the pattern, or remove the row if its service is gone",
        )
        for position, item in enumerate(compiled)
        if position not in seen
    ]
