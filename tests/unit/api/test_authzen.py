"""AuthZEN's Authorization API 1.0 over the decision service."""

from typing import Any

import httpx
import pytest

from gateway.api import authzen
from gateway.identity.subject import Role
from tests.fakes.api import SUBJECTS, Service
from tests.fakes.decisions import COLLECTOR

ONE, MANY = "/access/v1/evaluation", "/access/v1/evaluations"
SUBJECT = {"type": "collector", "id": COLLECTOR}
OTHER = {"type": "collector", "id": "spiffe://example.org/collector/production/eu-west-1/other"}


def resource(name: str) -> dict[str, Any]:
    return {"type": "process", "id": "4242:1", "properties": {"process.executable.name": name}}


def question(name: str, action: str = "drop", **properties: Any) -> dict[str, Any]:
    return {
        "subject": SUBJECT,
        "action": {"name": action, "properties": properties},
        "resource": resource(name),
    }


def evaluations(*names: str, **more: Any) -> dict[str, Any]:
    """Subject and action once, resources one by one."""
    return {
        "subject": SUBJECT,
        "action": {"name": "drop"},
        "evaluations": [{"resource": resource(name)} for name in names],
        **more,
    }


def ask(service: Service, path: str, body: Any, **more: Any) -> httpx.Response:
    return service.call("POST", path, json=body, **more)


def decisions(answer: httpx.Response) -> list[bool]:
    assert answer.status_code == 200, answer.text
    value = answer.json()
    assert set(value) == {"evaluations"}
    return [item["decision"] for item in value["evaluations"]]


def decided(service: Service) -> int:
    """How many proposals the log says were decided."""
    bodies: list[Any] = service.desk.log.bodies("decisions")
    return sum(
        sum(count for *_, count in body["verdicts"]) + sum(body["fail_safe"].values())
        for body in bodies
    )


@pytest.mark.parametrize("path", [ONE, MANY])
def test_one_evaluation_is_decided_recorded_and_told_with_its_verdict(path: str) -> None:
    service = Service()
    answer = ask(service, path, question("log-shipper", context={"ignored": 1}))
    assert answer.headers["content-type"] == "application/json"
    value = answer.json()
    assert set(value) == {"decision", "context"}
    assert value["decision"] is True
    context = value["context"]
    assert (context["action"], context["effect"]) == ("drop", "permitted")
    assert {"reasons", "obligations", "lease", "policy", "sample_rate"} <= set(context)
    [entry] = context["entries"]
    assert service.desk.log.entries[entry["index"]]
    assert decided(service) == 1


def test_what_the_policies_protect_may_not_be_dropped() -> None:
    value = ask(Service(), ONE, question("payment-gateway-1")).json()
    assert value["decision"] is False
    assert value["context"]["action"] == "keep"
    assert value["context"]["effect"] == "overridden"
    assert value["context"]["reasons"][0]["control"]


def test_a_sampling_action_carries_its_rate_and_score() -> None:
    service = Service()
    asked = question("worker", "sample", sample_rate=0.1, score=0.2, profile="balanced")
    value = ask(service, ONE, asked).json()
    assert (value["decision"], value["context"]["sample_rate"]) == (True, 0.1)
    [payload] = service.desk.log.payloads.values()
    assert b'"profile":"balanced"' in payload.plaintext
    assert b'"sample_permille":100,' in payload.plaintext


@pytest.mark.parametrize(
    "broken",
    [
        {"action": {"name": "delete"}},
        {"action": {"name": "sample"}},
        {"action": {"name": "sample", "properties": {"sample_rate": 7}}},
        {"resource": {"type": "process", "id": "1", "properties": {"process.executable.name": 7}}},
    ],
)
def test_a_proposal_that_cannot_be_read_is_denied_with_an_error(broken: dict[str, Any]) -> None:
    service = Service()
    value = ask(service, ONE, {**question("worker"), **broken}).json()
    assert value["decision"] is False
    assert value["context"]["effect"] == "fail_safe"
    assert value["context"]["error"]["status"] == 400
    assert decided(service) == 1


def test_an_engine_that_is_down_denies_with_503_in_the_context() -> None:
    service = Service()
    service.desk.policy.engine.down = "gone"  # type: ignore[attr-defined]
    value = ask(service, ONE, question("worker")).json()
    assert value["decision"] is False
    assert value["context"]["error"]["status"] == 503


@pytest.mark.parametrize("missing", ["subject", "action", "resource"])
def test_a_required_part_that_is_missing_is_a_bad_request(missing: str) -> None:
    body = {name: part for name, part in question("a").items() if name != missing}
    answer = ask(Service(), ONE, body)
    assert answer.status_code == 400
    assert f"{missing} is missing" in answer.json()["detail"]


@pytest.mark.parametrize(
    "broken",
    [
        {"subject": "me"},
        {"subject": {"type": "collector"}},
        {"subject": {"id": COLLECTOR}},
        {"subject": {"type": "collector", "id": 7}},
        {"action": {}},
        {"action": {"name": ["drop"]}},
        {"action": {"name": "drop", "properties": []}},
        {"resource": {"type": "process"}},
        {"resource": {"type": "process", "id": "1", "properties": "x"}},
        {"context": []},
        {"context": "now"},
    ],
)
def test_another_shape_is_a_bad_request_alone_and_an_error_in_an_array(
    broken: dict[str, Any],
) -> None:
    service = Service()
    assert ask(service, ONE, {**question("a"), **broken}).status_code == 400
    body = {"evaluations": [question("a"), {**question("b"), **broken}, question("c")]}
    answer = ask(service, MANY, body)
    assert decisions(answer) == [True, False, True]
    error = answer.json()["evaluations"][1]["context"]["error"]
    assert error["status"] == 400
    assert error["message"]
    assert decided(service) == 2


@pytest.mark.parametrize(
    "body", ["", "[]", "1", '"x"', "{", '{"evaluations": {}}', "[" * 100_000, '{"options": 1}']
)
def test_what_is_no_request_at_all_is_a_bad_request(body: str) -> None:
    for path in (ONE, MANY):
        headers = {"content-type": "application/json"}
        assert Service().call("POST", path, content=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "subject", [OTHER, {"type": "user", "id": COLLECTOR}, {"type": "collector", "id": "me"}]
)
def test_nobody_asks_for_another(subject: dict[str, str]) -> None:
    service = Service()
    answer = ask(service, ONE, {**question("a"), "subject": subject})
    assert answer.json()["type"].endswith(":forbidden")
    body = evaluations("a", "b")
    body["evaluations"][0]["subject"] = subject
    many = ask(service, MANY, body)
    assert decisions(many) == [False, True]
    assert many.json()["evaluations"][0]["context"]["error"]["status"] == 403
    assert [denial["status"] for denial in service.desk.log.bodies("denial")] == [403, 403]
    assert decided(service) == 1


def test_another_kind_of_resource_is_not_found_and_denied() -> None:
    service = Service()
    asked = {**question("a"), "resource": {"type": "document", "id": "1"}}
    value = ask(service, ONE, asked).json()
    assert value["decision"] is False
    assert value["context"]["error"]["status"] == 404
    assert decided(service) == 0


def test_each_part_overrides_the_request_s_as_a_whole() -> None:
    service = Service()
    body = {
        "subject": OTHER,
        "action": {"name": "sample", "properties": {"sample_rate": 0.5, "profile": "p"}},
        "resource": resource("payment-gateway-1"),
        "evaluations": [
            {"subject": SUBJECT},
            {"subject": SUBJECT, "resource": resource("worker")},
            {"subject": SUBJECT, "resource": resource("worker"), "action": {"name": "sample"}},
            {"subject": SUBJECT, "resource": resource("worker"), "action": {"name": "drop"}},
            {},
        ],
    }
    answer = ask(service, MANY, body)
    # The third has no rate: its own action replaces the default with all its properties.
    assert decisions(answer) == [False, True, False, True, False]
    contexts = [item["context"] for item in answer.json()["evaluations"]]
    assert contexts[1]["sample_rate"] == 0.5
    assert [contexts[n]["error"]["status"] for n in (2, 4)] == [400, 403]


NAMES = ("worker-a", "payment-a", "worker-b", "payment-b")  # permit, deny, permit, deny


@pytest.mark.parametrize(
    ("semantic", "names", "told", "recorded"),
    [
        ("execute_all", NAMES, [True, False, True, False], 4),
        ("deny_on_first_deny", NAMES, [True, False], 2),
        ("permit_on_first_permit", NAMES, [True], 1),
        ("permit_on_first_permit", NAMES[1:], [False, True], 2),
        ("deny_on_first_deny", NAMES[1:], [False], 1),
        ("deny_on_first_deny", ("w1", "w2"), [True, True], 2),
        ("permit_on_first_permit", ("payment-1", "payment-2"), [False, False], 2),
    ],
)
def test_the_three_semantics_in_order_and_nothing_decided_past_the_end(
    semantic: str, names: tuple[str, ...], told: list[bool], recorded: int
) -> None:
    service = Service()
    body = evaluations(*names, options={"evaluations_semantic": semantic, "other": 1})
    assert decisions(ask(service, MANY, body)) == told
    assert decided(service) == recorded


def test_all_are_decided_by_default_in_one_entry() -> None:
    service = Service()
    assert decisions(ask(service, MANY, evaluations(*NAMES))) == [True, False, True, False]
    assert len(service.desk.log.bodies("decisions")) == 1


def test_an_error_is_a_denial_for_deny_on_first_deny() -> None:
    service = Service()
    body = evaluations("a", "b", options={"evaluations_semantic": "deny_on_first_deny"})
    body["evaluations"].insert(0, {"resource": {"type": "document", "id": "1"}})
    assert decisions(ask(service, MANY, body)) == [False]
    assert decided(service) == 0


@pytest.mark.parametrize("options", [{"evaluations_semantic": "all"}, {"evaluations_semantic": 1}])
def test_another_semantic_is_a_bad_request(options: dict[str, Any]) -> None:
    assert ask(Service(), MANY, evaluations("a", options=options)).status_code == 400


def test_an_empty_array_is_a_single_evaluation() -> None:
    value = ask(Service(), MANY, {**question("worker"), "evaluations": []}).json()
    assert value["decision"] is True


@pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 413)])
def test_the_number_of_evaluations_is_bounded(count: int, status: int) -> None:
    assert ask(Service(), MANY, evaluations(*["a"] * count)).status_code == status


def test_what_cannot_be_recorded_is_not_told() -> None:
    service = Service()
    service.desk.log.failures = [None, "disk full"]
    options = {"evaluations_semantic": "deny_on_first_deny"}
    answer = ask(service, MANY, evaluations("a", "b", options=options))
    assert answer.status_code == 503
    assert "decision" not in answer.text


@pytest.mark.parametrize("sent", ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "a b", "~" * 256])
@pytest.mark.parametrize("broken", [False, True])
def test_the_caller_s_request_id_comes_back(sent: str, broken: bool) -> None:
    body = {} if broken else question("worker")
    answer = ask(Service(), ONE, body, headers={"x-request-id": sent})
    assert answer.headers["x-request-id"] == sent
    if broken:
        assert answer.json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "~" * 257, "\x7f"])
def test_an_id_that_is_none_is_replaced_by_ours(sent: str) -> None:
    answer = ask(Service(), ONE, question("worker"), headers={"x-request-id": sent})
    assert len(answer.headers["x-request-id"]) == 16


def test_other_routes_keep_their_own_request_id() -> None:
    answer = Service().call("GET", "/healthz", headers={"x-request-id": "mine"})
    assert answer.headers["x-request-id"] != "mine"


def test_past_the_limit_of_requests_in_flight_more_are_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authzen, "MAX_IN_FLIGHT", 0)
    answer = ask(Service(), ONE, question("worker"))
    assert answer.json()["type"].endswith(":overloaded")


def test_the_metadata_name_the_host_that_was_asked() -> None:
    service = Service()
    path = "/.well-known/authzen-configuration"
    for uri in (COLLECTOR, SUBJECTS[Role.OPERATOR]):
        value = service.call("GET", path, uri, headers={"host": "pdp.bank.test:8443"}).json()
        assert value == {
            "policy_decision_point": "https://pdp.bank.test:8443",
            "access_evaluation_endpoint": "https://pdp.bank.test:8443/access/v1/evaluation",
            "access_evaluations_endpoint": "https://pdp.bank.test:8443/access/v1/evaluations",
        }
    bad = service.call("GET", path, headers={"host": 'x"/y'})
    assert bad.status_code == 400
