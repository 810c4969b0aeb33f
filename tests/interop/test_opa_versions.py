"""Older and newer versions of OPA give the verdicts of the pinned one, byte for byte, over the
whole golden corpus."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.golden.golden import Golden, load_golden
from tests.golden.opa import answer_bytes
from tests.interop.programs import PARTS, POLICIES, part, run, said

# The oldest that the gateway works with, and the newest there was when this was pinned.
OTHERS = ("1.21.0", "1.22.3")
LEAST_PROPOSALS = 2000


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden(POLICIES)


@pytest.fixture(scope="module")
def pinned_bytes(golden: Golden) -> bytes:
    return answer_bytes(part("opa"), POLICIES, golden.questions)


def other(version: str) -> Path:
    """A version beside the pinned one; skips where nobody has built it, since it takes minutes."""
    if not (PARTS / f"opa-{version}").exists():
        pytest.skip(f"OPA {version} is not here: run `python3 deploy/parts.py opa@{version}`")
    return part(f"opa-{version}")


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHERS)
def test_verdicts_are_those_of_the_pinned_version(
    version: str, golden: Golden, pinned_bytes: bytes
) -> None:
    opa = other(version)
    assert re.search(rf"^Version: {re.escape(version)}$", said(run(opa, "version")), re.MULTILINE)
    answered = answer_bytes(opa, POLICIES, golden.questions)
    assert sum(len(question["proposals"]) for question in golden.questions) >= LEAST_PROPOSALS
    assert len(answered) > 1_000_000
    assert hashlib.sha256(answered).hexdigest() == hashlib.sha256(pinned_bytes).hexdigest()


@pytest.mark.parametrize("version", OTHERS)
def test_policies_pass_their_own_tests(version: str) -> None:
    tested = run(other(version), "test", "--timeout", "60s", POLICIES)
    assert tested.returncode == 0, said(tested)
    capabilities = POLICIES / "capabilities.json"
    checked = run(other(version), "check", "--strict", "--capabilities", capabilities, POLICIES)
    assert checked.returncode == 0, said(checked)
