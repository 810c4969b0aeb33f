"""Compares answers of an engine with expected ones."""

from collections.abc import Sequence
from typing import Any

Answer = list[dict[str, Any]]

_RANKS = {"hard": 0, "soft": 1, "advisory": 2}


def normal(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict with its reasons in the order that the oracle gives. Policies promise that hard
    ones come before soft ones before advice, and no more; that much is checked by `is_ordered`.
    One of another shape comes back as it is, and is no expected one."""
    try:
        reasons = sorted(
            verdict["reasons"],
            key=lambda reason: (_RANKS[reason["level"]], reason["control"], str(reason)),
        )
    except (KeyError, TypeError):
        return verdict
    return {**verdict, "reasons": reasons}


def is_ordered(verdict: dict[str, Any]) -> bool:
    """Whether no reason stands before one of a harder level."""
    ranks = [_RANKS.get(reason["level"], -1) for reason in verdict["reasons"]]
    return ranks == sorted(ranks)


def disagreements(
    questions: Sequence[dict[str, Any]], expected: Sequence[Answer], actual: Sequence[Answer]
) -> list[str]:
    """Each verdict that is not the expected one, with its question, in a few lines."""
    found = []
    for question, wanted, given in zip(questions, expected, actual, strict=True):
        if [one["ref"] for one in wanted] != [one["ref"] for one in given]:
            found.append(f"{question['subject']}: other refs than {[v['ref'] for v in wanted]}")
            continue
        asked = {
            proposal["ref"]: proposal
            for proposal in question["proposals"]
            if isinstance(proposal, dict) and "ref" in proposal
        }
        for want, give in zip(wanted, given, strict=True):
            if normal(want) != normal(give) or not is_ordered(give):
                who = f"{question['subject']} {question['context']}"
                found.append(f"{who} {asked[want['ref']]}\n{_difference(want, give)}")
    return found


def agree(expected: Sequence[Answer], actual: Sequence[Answer]) -> bool:
    """Whether every verdict is the expected one."""
    return len(expected) == len(actual) and all(
        len(wanted) == len(given)
        and all(
            normal(want) == normal(give) and is_ordered(give)
            for want, give in zip(wanted, given, strict=True)
        )
        for wanted, given in zip(expected, actual, strict=True)
    )


def _difference(want: dict[str, Any], give: dict[str, Any]) -> str:
    want, give = normal(want), normal(give)
    lines = [
        f"  {name}: expected {want.get(name)}, got {give.get(name)}"
        for name in sorted(want.keys() | give.keys())
        if name != "reasons" and want.get(name) != give.get(name)
    ]
    lines += [
        f"  no reason {reason}" for reason in want["reasons"] if reason not in give["reasons"]
    ]
    lines += [f"  a reason {reason}" for reason in give["reasons"] if reason not in want["reasons"]]
    return "\n".join(lines) or "  the same reasons in another order of levels"
