"""What collectors report, and the cosigned checkpoint."""

from typing import Any

import httpx
import pytest

from gateway.audit.fork_reports import MAX_NOTE_CHARACTERS
from gateway.identity.subject import Role
from tests.fakes.api import SUBJECTS, Service
from tests.fakes.decisions import COLLECTOR
from tests.fakes.witnesses import Tree, make_cosigner
from tests.unit.transparency.logs import make_signer

HONEST, FORKED = Tree(), Tree(salt="forked", shared=4)


def report(service: Service, kept: Any, refused: Any, uri: str = COLLECTOR) -> httpx.Response:
    body = {"kept": kept, "refused": refused}
    return service.call("POST", "/v1/witness-report", uri, json=body)


@pytest.mark.parametrize(
    ("kept", "refused", "kind"),
    [
        (HONEST.note(8), FORKED.note(8), "fork"),  # one size, two trees: it needs no log to see
        (FORKED.note(8), HONEST.note(8), "fork"),
        (FORKED.note(30), Tree(salt="third").note(30), "fork"),
        (HONEST.note(8), FORKED.note(12), "fork"),  # one of them is not this log's
        (FORKED.note(12), HONEST.note(19), "fork"),
        (FORKED.note(8), HONEST.note(30), "fork"),
        (HONEST.note(30), HONEST.note(20), "rollback"),  # signed, and not here any more
        (HONEST.note(20), HONEST.note(21), "rollback"),
        (FORKED.note(30), HONEST.note(20), "rollback"),  # which it is cannot be said from here
    ],
)
def test_what_cannot_both_be_true_becomes_an_entry(kept: str, refused: str, kind: str) -> None:
    service = Service()
    response = report(service, kept, refused)
    assert response.status_code == 200
    [body] = service.desk.log.bodies("fork.reported")
    sizes = [int(note.split("\n")[1]) for note in (kept, refused)]
    roots = [note.split("\n")[2] for note in (kept, refused)]
    assert body == {
        "kind": kind,
        "kept": {"size": sizes[0], "root": roots[0]},
        "refused": {"size": sizes[1], "root": roots[1]},
    }
    assert response.json()["kind"] == kind
    assert COLLECTOR.encode() in service.desk.log.entries[-1]
    problem = service.reports.problem() or ""
    assert problem.startswith("fork_seen: " if kind == "fork" else "witnessed_ahead: ")
    assert service.reports.newest_seen() == max(sizes)


def test_a_report_that_comes_again_is_the_same_entry() -> None:
    service = Service()
    first = report(service, HONEST.note(8), FORKED.note(8)).json()
    assert report(service, HONEST.note(8), FORKED.note(8)).json() == first
    other = COLLECTOR + "-other"
    assert report(service, HONEST.note(8), FORKED.note(8), other).json() != first
    assert len(service.desk.log.bodies("fork.reported")) == 2


@pytest.mark.parametrize("refused", [HONEST.note(8), HONEST.note(12), HONEST.note(20)])
def test_checkpoints_that_are_both_here_prove_nothing(refused: str) -> None:
    service = Service()
    assert report(service, HONEST.note(8), refused).status_code == 409
    assert service.desk.log.bodies("fork.reported") == []
    [denial] = service.desk.log.bodies("denial")
    assert (denial["status"], denial["route"]) == (409, "POST /v1/witness-report")
    assert service.reports.problem() is None


NOT_OURS = {
    "another key": Tree(make_signer(9), salt="forked").note(8),
    "another log": Tree(make_signer(9, "other.example/log"), salt="forked").note(8),
    "a changed size": FORKED.note(8).replace("\n8\n", "\n9\n"),
    "no note": "",
    "a witness's line alone": FORKED.note(8).rpartition("—")[0]
    + make_cosigner(7, "w").cosign("x\n", 1),
    "too long": FORKED.note(8) + "x" * MAX_NOTE_CHARACTERS,
    "no text": 5,
}


@pytest.mark.parametrize("name", NOT_OURS)
@pytest.mark.parametrize("is_kept", [True, False])
def test_what_the_log_did_not_sign_proves_nothing(name: str, is_kept: bool) -> None:
    service = Service()
    notes = (NOT_OURS[name], HONEST.note(8)) if is_kept else (HONEST.note(8), NOT_OURS[name])
    assert report(service, *notes).status_code == 400
    assert service.desk.log.bodies("fork.reported") == []
    assert len(service.desk.log.bodies("denial")) == 1


def test_cosigned_notes_can_be_reported() -> None:
    service = Service()
    text = FORKED.note(8).partition("\n\n")[0] + "\n"
    cosigned = FORKED.note(8) + make_cosigner(7, "w").cosign(text, 5)
    assert report(service, HONEST.note(8), cosigned).status_code == 200


def test_a_report_that_cannot_be_recorded_is_not_answered() -> None:
    service = Service()
    service.desk.log.failures = ["disk full"]
    assert report(service, HONEST.note(8), FORKED.note(8)).status_code == 503
    assert service.reports.problem() is None
    assert report(service, HONEST.note(8), FORKED.note(8)).status_code == 200


def test_only_collectors_report() -> None:
    service = Service()
    for role in set(Role) - {Role.COLLECTOR}:
        response = report(service, HONEST.note(8), FORKED.note(8), SUBJECTS[role])
        assert response.status_code == 403
    assert service.desk.log.bodies("fork.reported") == []


@pytest.mark.parametrize("role", [Role.COLLECTOR, Role.AUDITOR, Role.OPERATOR])
def test_the_newest_cosigned_checkpoint_is_served(role: Role) -> None:
    service = Service()
    service.cosigned = HONEST.note(8)
    response = service.call("GET", "/v1/checkpoint/cosigned", SUBJECTS[role])
    assert (response.status_code, response.text) == (200, HONEST.note(8))
    service.cosigned = None
    response = service.call("GET", "/v1/checkpoint/cosigned", SUBJECTS[role])
    assert response.status_code == 404
    assert "no witness" in response.json()["detail"]
