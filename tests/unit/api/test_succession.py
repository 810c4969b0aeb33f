"""Which log the served one succeeds, and what collectors show with their first question."""

import pytest

from gateway.identity.subject import Role
from gateway.wire.succession import CHECKPOINT_HEADER, SuccessionAnswer
from tests.fakes.api import SUBJECTS, Service


@pytest.mark.parametrize("role", [Role.COLLECTOR, Role.AUDITOR, Role.OPERATOR])
def test_a_succession_is_served(role: Role) -> None:
    service = Service()
    service.succession = SuccessionAnswer("ZW50cnk=", ("00ff",), "note")
    response = service.call("GET", "/v1/succession", SUBJECTS[role])
    assert response.status_code == 200
    assert response.json() == {"entry": "ZW50cnk=", "proof": ["00ff"], "checkpoint": "note"}


def test_a_log_that_succeeds_none_says_so() -> None:
    service = Service()
    service.succession = None
    response = service.call("GET", "/v1/succession")
    assert response.status_code == 404
    assert "succeeds none" in response.json()["detail"]


def test_what_a_collector_shows_is_heard() -> None:
    service, collector = Service(), SUBJECTS[Role.COLLECTOR]
    assert service.call("GET", "/v1/policy", collector).status_code == 200
    assert service.heard == []
    shown = {CHECKPOINT_HEADER: "bm90ZQ=="}
    assert service.call("GET", "/v1/policy", collector, headers=shown).status_code == 200
    assert service.heard == [(collector, "bm90ZQ==")]
