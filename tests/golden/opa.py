"""Asks a real OPA the whole corpus at once."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 110.0
_QUERY = "[answer | some question in input; answer := data.main.verdicts with input as question]"


class OpaFailedError(Exception):
    """OPA gave no answer, or none to some of the questions."""


def answer_bytes(opa: Path, policies: Path, questions: Sequence[dict[str, Any]]) -> bytes:
    """What OPA prints: a JSON array with the verdicts of each question. Raises OpaFailedError."""
    # As the gateway asks: an error of a built-in is an error, not undefined.
    options = ("--bundle", str(policies), "--ignore", "*_test.rego", "--strict-builtin-errors")
    done = subprocess.run(
        [str(opa), "eval", *options, "--stdin-input", "--format", "raw", _QUERY],
        input=json.dumps(questions).encode(),
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise OpaFailedError((done.stdout + done.stderr).decode(errors="replace")[:2000])
    return done.stdout


def answer_all(
    opa: Path, policies: Path, questions: Sequence[dict[str, Any]]
) -> list[list[dict[str, Any]]]:
    """The verdicts of each question, in order; raises OpaFailedError."""
    answers: list[list[dict[str, Any]]] = json.loads(answer_bytes(opa, policies, questions))
    if len(answers) != len(questions):
        raise OpaFailedError(f"{len(questions)} questions and {len(answers)} answers")
    return answers
