"""Periods of retention that cannot both be met within one family."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding
from gateway.authoring.rows import Row

_DAYS = "retain_days"
_SCOPES = ("jurisdictions", "regions", "environments")


def check_retention(rows: Sequence[Row]) -> list[Finding]:
    """At least longer than at most, in one row or in two rows of one file that apply to a common
    sender. Across families the longest evidence wins, and verdicts say so."""
    periods = [row for row in rows if isinstance(row.value.get(_DAYS), dict)]
    findings = [finding for row in periods for finding in _check_alone(row)]
    for one, other in combinations(periods, 2):
        if one.document.file == other.document.file and _meet(one.value, other.value):
            findings += _check_two(one, other)
    return findings


def _check_alone(row: Row) -> Iterator[Finding]:
    days = row.value[_DAYS]
    least, most, hand = (_days(days, name) for name in ("at_least", "at_most", "at_hand"))
    place = row.document.place((*row.path, _DAYS))
    if least is not None and most is not None and least > most:
        text = f"{row.shown} keeps for at least {least} days and at most {most}"
        yield found("retention-contradictory", place, text, "change one of them")
    longest = least if most is None else most
    if hand is not None and longest is not None and hand > longest:
        text = f"{row.shown} wants {hand} days at hand of a history of {longest}"
        yield found("retention-contradictory", place, text, "change one of them")


def _check_two(one: Row, other: Row) -> Iterator[Finding]:
    for longer, shorter in ((one, other), (other, one)):
        least = _days(longer.value[_DAYS], "at_least")
        most = _days(shorter.value[_DAYS], "at_most")
        if least is not None and most is not None and least > most:
            there = one.document.place((*one.path, _DAYS))
            yield found(
                "retention-contradictory",
                other.document.place((*other.path, _DAYS)),
                f"{longer.shown} keeps for at least {least} days and {shorter.shown} for at most "
                f"{most}, and a sender may be under both",
                "narrow one of them with applies_to, or change its days",
                (there,),
            )


def _meet(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether some sender is under both: each narrows by nothing that leaves the other out. Rows
    that narrow by different things (a region, a jurisdiction) are not compared."""
    first, second = _scope(one), _scope(other)
    if first and second and not first.keys() & second.keys():
        return False
    return all(first[name] & second[name] for name in first.keys() & second.keys())


def _scope(value: Mapping[str, Any]) -> dict[str, set[str]]:
    scope = value.get("applies_to")
    if not isinstance(scope, dict):
        return {}
    return {
        name: {item for item in scope[name] if isinstance(item, str)}
        for name in _SCOPES
        if isinstance(scope.get(name), list)
    }


def _days(days: Mapping[str, Any], name: str) -> int | None:
    value = days.get(name)
    return value if type(value) is int else None
