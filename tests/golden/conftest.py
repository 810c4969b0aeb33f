"""The corpus and what the pinned OPA answers to it, once for all tests of a process."""

from typing import Any

import pytest

from tests.golden.golden import Golden, load_golden
from tests.golden.opa import answer_all
from tests.unit.policies.bundle import OPA, POLICIES


@pytest.fixture(scope="session")
def golden() -> Golden:
    return load_golden(POLICIES)


@pytest.fixture(scope="session")
def answered(golden: Golden) -> list[list[dict[str, Any]]]:
    return answer_all(OPA, POLICIES, golden.questions)
