"""Each listed survivor is still a mutant of today's policies."""

import pytest

from tests.mutants.__main__ import ROOT
from tests.mutants.run import make_mutants
from tests.mutants.survivors import load_survivors
from tests.unit.policies.bundle import OPA, POLICIES


@pytest.mark.opa
def test_every_listed_survivor_is_a_mutant() -> None:
    every = make_mutants(OPA, POLICIES)
    assert len({mutant.identity for mutant in every}) == len(every) > 300
    listed = load_survivors(ROOT / "tests" / "mutants" / "survivors.yaml")
    assert set(listed) - {mutant.identity for mutant in every} == set()
