"""Compares answers of an engine with expected ones."""

from collections.abc import Sequence
from typing import Any

Answer = list[dict[str, Any]]

_RANKS = {"hard": 0, "soft": 1, "advisory": 2}


def normal(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict with its reasons in the order that the oracle gives. Policies promise that hard
    ones come before soft ones before advice, and no more; that much is checked by `disorder`."""
    reasons = sorted(
        verdict["reasons"],
        key=lambda reason: (_RANKS[reason["level"]], reason["control"], str(reason)),
    )
    return {**verdict, "reasons": reasons}


def disorder(verdict: dict[str, Any]) -> bool:
    """Whether a reason stands before one of a harder level."""
    ranks = [_RANKS[reason["level"]] for reason in verdict["reasons"]]
    return ranks != sorted(ranks)


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
            if normal(want) != normal(give) or disorder(give):
                who = f"{question['subject']} {question['context']}"
                found.append(f"{who} {asked[want['ref']]}\n{_difference(want, give)}")
    return found


def agree(expected: Sequence[Answer], actual: Sequence[Answer]) -> bool:
    """Whether every verdict is the expected one."""
    return len(expected) == len(actual) and all(
        list(map(normal, wanted)) == list(map(normal, given)) and not any(map(disorder, given))
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
