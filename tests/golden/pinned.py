"""What the corpus and its expected answers are today, small enough to review.

The corpus itself is made anew each time, so that a new row of data is asked about at once; this
file holds its hashes and counts, so that no question gets lost unseen and a change of expected
answers shows in the change that caused it. `python -m tests.golden` writes it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("pinned.json")


def describe(
    seed: int, questions: Sequence[dict[str, Any]], answers: Sequence[list[dict[str, Any]]]
) -> dict[str, Any]:
    """Counts and SHA-256 of the questions and of the expected answers, as sorted compact JSON."""
    verdicts = [verdict for answer in answers for verdict in answer]
    given = Counter(f"{verdict['decision']} {verdict['action']}" for verdict in verdicts)
    reasons = Counter(reason["control"] for verdict in verdicts for reason in verdict["reasons"])
    return {
        "seed": seed,
        "questions": len(questions),
        "proposals": sum(len(question["proposals"]) for question in questions),
        "questions_sha256": _digest(questions),
        "answers_sha256": _digest(answers),
        "verdicts": dict(sorted(given.items())),
        "reasons_by_control": dict(sorted(reasons.items())),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()
