"""Whether the policies keep a process whose name was cut, whatever the name."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.authoring.opa_program import OpaProgram
from gateway.decisions.floor import COMM_BYTES
from gateway.wire.classes import EXECUTABLE_NAME, IDENTITY, IDENTITY_SOURCE

ASK_SECONDS = 30.0
_NAME = "q" * COMM_BYTES  # a name that no pattern is meant for
_QUESTION: Mapping[str, Any] = {
    "subject": {"environment": "production", "region": "eu-west-1", "tier": "central"},
    "context": {"time": {"windows": []}},
    "proposals": [
        {
            "ref": "0",
            "process": {EXECUTABLE_NAME: _NAME, IDENTITY: _NAME, IDENTITY_SOURCE: "truncated"},
            "action": "drop",
            "sample_permille": 0,
            "score": 0,
            "profile": "balanced",
        }
    ],
}


def are_cut_names_kept(opa: OpaProgram) -> bool | None:
    """Ask the bundle in the program's folder about a process that says it goes by a cut name; False
    when the answer is not a keep, None when the policies cannot be asked: what breaks them is told
    elsewhere."""
    flags = ["--bundle", ".", "--format=json", "--strict-builtin-errors", "--stdin-input"]
    answer = opa.run(
        ["eval", *flags, "data.main.verdicts"], ASK_SECONDS, json.dumps(_QUESTION).encode()
    )
    value = answer.value()
    if isinstance(value, dict) and "errors" in value:
        return None
    try:
        verdict = value["result"][0]["expressions"][0]["value"][0]
        return bool(verdict["decision"] == "protect" and verdict["action"] == "keep")
    except (TypeError, KeyError, IndexError):
        return False
