"""The bundle root and the pinned OPA, for tests of the policies."""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
POLICIES = ROOT / "policies"
OPA = ROOT / ".parts" / "bin" / "opa"


def run_opa(*arguments: str, stdin: str = "", fails: bool = False) -> str:
    """OPA's standard output, or what it printed on both when it is meant to fail."""
    done = subprocess.run(
        [str(OPA), *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr if fails else done.stdout


@functools.cache
def parsed_module(path: Path) -> dict[str, Any]:
    """A module's syntax tree with its annotations."""
    tree: dict[str, Any] = json.loads(
        run_opa("parse", "--format=json", "--json-include=-comments", str(path))
    )
    return tree


def ask(question: dict[str, Any]) -> list[dict[str, Any]]:
    """The verdicts of the real policies for one question (docs/formats.md section 6)."""
    answer = json.loads(
        run_opa(
            "eval",
            "--bundle",
            str(POLICIES),
            "--strict-builtin-errors",
            "--stdin-input",
            "data.main.verdicts",
            stdin=json.dumps(question),
        )
    )
    verdicts: list[dict[str, Any]] = answer["result"][0]["expressions"][0]["value"]
    return verdicts
