"""Parts of the corpus, for whoever asks many times and wants to know quickly."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.golden.cases import pattern_rows
from tests.golden.patterns import examples
from tests.golden.tables import Tables

SHORTEST_STEM = 3
MOST_QUESTIONS = 4

Question = dict[str, Any]
Answer = list[dict[str, Any]]
Pairs = list[tuple[Question, Answer]]


def pairs_about(tables: Tables, table: str, pairs: Pairs) -> Pairs:
    """The proposals with a name that a row of the table matches, or nearly, out of the few
    questions that have the most of them."""
    texts = [text for name, row in pattern_rows(tables) if name == table for text in examples(row)]
    stems = {text.lower()[:-1] for text in texts if len(text) > SHORTEST_STEM}

    def is_about(proposal: dict[str, Any], _: dict[str, Any]) -> bool:
        process = proposal.get("process")
        if not isinstance(process, dict):
            return False
        names = [value.lower() for value in process.values() if isinstance(value, str)]
        return any(stem in name for stem in stems for name in names)

    found = _filtered(pairs, is_about)
    return sorted(found, key=lambda pair: -len(pair[1]))[:MOST_QUESTIONS]


def pairs_covering(pairs: Pairs) -> Pairs:
    """One proposal for each kind of verdict that there is."""
    seen: set[Any] = set()

    def is_new(_: dict[str, Any], verdict: dict[str, Any]) -> bool:
        is_first = _kind(verdict) not in seen
        seen.add(_kind(verdict))
        return is_first

    # Questions that hold many kinds first: the fewer questions, the sooner they are answered.
    richest = sorted(pairs, key=lambda pair: -len({_kind(verdict) for verdict in pair[1]}))
    return _filtered(richest, is_new)


def _kind(verdict: dict[str, Any]) -> Any:
    return (
        verdict["decision"],
        verdict["action"],
        verdict["ttl_seconds"],
        tuple(sorted({(one["rule"], one["level"]) for one in verdict["reasons"]})),
        tuple((*sorted(duty), duty["type"]) for duty in verdict["obligations"]),
    )


def _filtered(
    pairs: Sequence[tuple[Question, Answer]],
    wanted: Callable[[dict[str, Any], dict[str, Any]], bool],
) -> Pairs:
    chosen: Pairs = []
    for question, answer in pairs:
        by_ref = {
            one["ref"]: one
            for one in question["proposals"]
            if isinstance(one, dict) and "ref" in one
        }
        verdicts = [verdict for verdict in answer if wanted(by_ref[verdict["ref"]], verdict)]
        if verdicts:
            proposals = [by_ref[verdict["ref"]] for verdict in verdicts]
            chosen.append(({**question, "proposals": proposals}, verdicts))
    return chosen
