"""The routes of people: roles, bodies, answers and problems."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.api.changes import ARCHIVE_LIMITS
from gateway.api.people import key_fingerprint
from gateway.bundles.limits import DEFAULT_LIMITS
from gateway.identity.roles import ALLOWED, Route
from gateway.identity.subject import Role
from tests.fakes.api import SUBJECTS
from tests.fakes.changes import archive_of, everywhere
from tests.fakes.people import Desk, fingerprint
from tests.fakes.pki import AUDITOR, make_domain

AUTHOR = SUBJECTS[Role.AUTHOR]
APPROVER = SUBJECTS[Role.APPROVER]


def problem(answer: httpx.Response, status: int, name: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:compliance-gateway:problem:{name}"
    return str(answer.json()["detail"])


def test_a_bundle_goes_through_the_queue() -> None:
    desk = Desk()
    answer = desk.stage(archive_of(2))
    assert answer.status_code == 201, answer.text
    id = answer.json()["id"]
    asyncio.run(desk.queue.test(id))
    asyncio.run(desk.queue.assess(id, "a@prod/eu X/1"))
    shown = desk.call("GET", f"/v1/changes/{id}", SUBJECTS[Role.AUDITOR]).json()
    assert shown["impact"]["losses"] == ["a@prod/eu X/1"]
    said = {
        "bundle": shown["subject"]["bundle"],
        "losses": ["a@prod/eu X/1"],
        "justification": "it is right",
        "approval_id": "T-1",
    }
    answer = desk.call("POST", f"/v1/changes/{id}/approve", APPROVER, json=said)
    assert answer.status_code == 200, answer.text
    assert answer.json()["stage"] == "approved"
    [body] = desk.queue.log.bodies("change.approved")
    assert body["key"] == fingerprint(APPROVER.encode())
    listed = desk.call("GET", "/v1/changes").json()
    assert [row["id"] for row in listed["changes"]] == [id]
    assert desk.call("GET", "/v1/changes?all=true").json()["changes"] == listed["changes"]


def test_a_refused_bundle_is_a_problem_with_the_reason() -> None:
    desk = Desk()
    detail = problem(desk.stage(b"junk"), 422, "not-acceptable-change")
    assert detail.startswith("the bundle is refused: ")
    assert len(desk.queue.log.bodies("bundle.refused")) == 1


def test_a_conflict_is_a_problem_of_its_own() -> None:
    desk = Desk()
    assert desk.stage(archive_of(2)).status_code == 201
    assert "already" in problem(desk.stage(archive_of(2), SUBJECTS[Role.OPERATOR]), 409, "conflict")


def test_a_rollout_is_halted_and_ended() -> None:
    desk = Desk()
    queue = desk.queue
    id = desk.stage(archive_of(2)).json()["id"]
    for act in (queue.test(id), queue.assess(id), queue.approve(id)):
        asyncio.run(act)
    asyncio.run(queue.step(id, 0, [everywhere(200), everywhere()]))
    answer = desk.call("POST", "/v1/rollback", json={"justification": "errors"})
    assert (answer.status_code, answer.json()["stage"]) == (200, "halted")
    shown = desk.call("GET", f"/v1/changes/{id}").json()
    assert shown["rollout"]["is_halted"]
    path = f"/v1/changes/{id}/reject"
    answer = desk.call("POST", path, APPROVER, json={"justification": "give it up"})
    assert answer.json()["stage"] == "ended"


def test_protections_and_exceptions() -> None:
    desk = Desk()
    answer = desk.call("POST", "/v1/protections", json={"glob": "ledger-*", "reason": "an audit"})
    assert (answer.status_code, answer.json()["stage"]) == (201, "standing")
    wish = {"rules": ["SOFT/1"], "glob": "batch-*", "hours": 12, "reason": "full disks"}
    answer = desk.call("POST", "/v1/exceptions", json=wish)
    assert answer.status_code == 201, answer.text
    id = answer.json()["id"]
    said = {"justification": "it is right", "approval_id": "T-2"}
    answer = desk.call("POST", f"/v1/changes/{id}/approve", APPROVER, json=said)
    assert answer.json()["stage"] == "active", answer.text
    [live] = desk.call("GET", "/v1/exceptions").json()["exceptions"]
    assert (live["id"], live["pattern"]) == (id, {"glob": "batch-*"})
    path = f"/v1/exceptions/{id}/revoke"
    assert desk.call("POST", path, json={"justification": "no longer"}).json()["stage"] == "ended"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/changes", {"archive": "!", "justification": "x"}),
        ("/v1/changes", {"justification": "x"}),
        ("/v1/changes/c1/approve", {"justification": "x", "approval_id": "T", "bundle": "abc"}),
        ("/v1/changes/c1/approve", {"justification": "x", "approval_id": "T", "losses": "all"}),
        ("/v1/changes/c1/reject", {"justification": "x", "unknown": 1}),
        ("/v1/changes/c1/reject", {}),
        ("/v1/protections", {"reason": "x"}),
        ("/v1/protections", {"reason": "x", "regex": "a", "glob": "a"}),
        ("/v1/protections", {"reason": "x", "regex": "("}),
        ("/v1/exceptions", {"rules": ["r"], "regex": "a", "hours": 1, "reason": "x"}),
        ("/v1/exceptions", {"rules": ["r"], "glob": "a", "hours": 1.5, "reason": "x"}),
        ("/v1/rollback", {"justification": "x", "to": 5}),
        ("/v1/rollback", []),
    ],
)
def test_a_body_that_cannot_be_read_changes_nothing(path: str, body: Any) -> None:
    desk = Desk()
    before = len(desk.queue.log.entries)
    who = APPROVER if path.endswith(("approve", "reject")) else AUTHOR
    problem(desk.call("POST", path, who, json=body), 400, "malformed")
    assert len(desk.queue.log.entries) == before


def test_bodies_are_bounded() -> None:
    desk = Desk()
    too_large = b" " * (ARCHIVE_LIMITS.max_bytes + 1)
    headers = {"content-type": "application/json"}
    answer = desk.call("POST", "/v1/changes", content=too_large, headers=headers)
    problem(answer, 413, "too-large")
    answer = desk.call("POST", "/v1/rollback", content=too_large[: 1 << 21], headers=headers)
    problem(answer, 413, "too-large")


def test_the_largest_bundle_fits_into_a_body() -> None:
    encoded = (DEFAULT_LIMITS.max_archive_bytes + 2) // 3 * 4
    assert encoded + 16_384 < ARCHIVE_LIMITS.max_bytes


def test_what_is_not_there_is_not_found() -> None:
    desk = Desk()
    problem(desk.call("GET", "/v1/changes/c999"), 404, "not-found")


def test_a_log_that_cannot_be_written_refuses_everything() -> None:
    desk = Desk()
    desk.queue.log.failing = "disk full"
    body = {"glob": "ledger-*", "reason": "an audit"}
    problem(desk.call("POST", "/v1/protections", json=body), 503, "log-unavailable")


PEOPLE: dict[Route, set[Role]] = {
    ("GET", "/v1/changes"): {Role.AUTHOR, Role.APPROVER, Role.OPERATOR, Role.AUDITOR},
    ("GET", "/v1/exceptions"): {Role.AUTHOR, Role.APPROVER, Role.OPERATOR, Role.AUDITOR},
    ("POST", "/v1/changes"): {Role.AUTHOR, Role.OPERATOR},
    ("POST", "/v1/protections"): {Role.AUTHOR, Role.OPERATOR},
    ("POST", "/v1/exceptions"): {Role.AUTHOR, Role.OPERATOR},
    ("POST", "/v1/changes/{id}/approve"): {Role.APPROVER},
    ("POST", "/v1/changes/{id}/reject"): {Role.APPROVER},
    ("POST", "/v1/exceptions/{id}/revoke"): {Role.AUTHOR, Role.APPROVER, Role.OPERATOR},
    ("POST", "/v1/rollback"): {Role.AUTHOR, Role.APPROVER, Role.OPERATOR},
    ("GET", "/v1/deeds/due"): {Role.AUTHOR, Role.APPROVER, Role.OPERATOR, Role.AUDITOR},
    ("GET", "/v1/holds"): {Role.AUTHOR, Role.APPROVER, Role.OPERATOR, Role.AUDITOR},
    ("POST", "/v1/deeds"): {Role.AUTHOR, Role.OPERATOR},
    ("POST", "/v1/deeds/match"): {Role.AUTHOR, Role.OPERATOR},
    ("POST", "/v1/holds"): {Role.AUTHOR, Role.APPROVER, Role.OPERATOR},
}


@pytest.mark.parametrize("route", PEOPLE)
def test_only_the_roles_of_the_table_may_call(route: Route) -> None:
    desk = Desk()
    method, path = route
    for role, uri in SUBJECTS.items():
        more: dict[str, Any] = {"json": {}} if method == "POST" else {}
        status = desk.call(method, path.replace("{id}", "c1"), uri, **more).status_code
        assert (status != 403) == (role in PEOPLE[route]), (role, status)
        assert (role in PEOPLE[route]) == (route in ALLOWED[role])


def test_every_route_is_described() -> None:
    desk = Desk()
    document = desk.call("GET", "/openapi.json").json()
    for method, path in PEOPLE:
        described = document["paths"][path][method.lower()]
        assert described["summary"]
        if method == "POST":
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            assert schema["properties"]


def test_the_fingerprint_is_of_the_public_key(tmp_path: Any) -> None:
    domain = make_domain(tmp_path)
    der = domain.der(AUDITOR)
    key = x509.load_der_x509_certificate(der).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_fingerprint(der) == hashlib.sha256(spki).hexdigest()
