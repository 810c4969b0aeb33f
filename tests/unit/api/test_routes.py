import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.api import decisions
from gateway.decisions.proposals import MAX_PROPOSALS
from gateway.identity.subject import Role
from gateway.wire.verdicts import EntryRef, PolicyRef
from tests.fakes.api import SUBJECTS, Service
from tests.fakes.decisions import COLLECTOR, FAR_US, NOW_US, proposal, verify_answer_recorded

OPERATOR = SUBJECTS[Role.OPERATOR]


def ask(service: Service, *proposals: Any, uri: str = COLLECTOR) -> httpx.Response:
    return service.call("POST", "/v1/decisions", uri, json={"proposals": list(proposals)})


def test_a_decision_is_recorded_and_has_the_documented_shape() -> None:
    service = Service()
    response = ask(service, proposal("a"), proposal("payment-gateway-1"), {"ref": "bad"})
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert set(answer) == {"policy", "entries", "checkpoint", "verdicts", "refs"}
    assert set(answer["policy"]) == set(PolicyRef.__struct_fields__)
    assert set(answer["entries"][0]) == set(EntryRef.__struct_fields__)
    for verdict in answer["verdicts"]:
        assert set(verdict) == {
            "action",
            "sample_rate",
            "effect",
            "reasons",
            "obligations",
            "lease",
        }
    assert set(answer["verdicts"][0]["lease"]) == {
        "class",
        "activation",
        "ttl_seconds",
        "expires",
        "max_uses",
    }
    assert answer["checkpoint"].startswith("example.org/log\n")
    verify_answer_recorded(service.desk.log, answer)
    assert service.desk.observed["fail_safe"] == 1
    assert "gateway_decision_seconds_count 1.0" in service.metrics.exposition().decode()


def test_environment_and_region_come_from_the_certificate_alone() -> None:
    service = Service()
    forged = proposal("a", environment="dev", region="moon", tier="edge", subject={"region": "x"})
    uri = "spiffe://example.org/collector/staging/us-east-1/c7"
    response = service.call(
        "POST",
        "/v1/decisions",
        uri,
        json={"proposals": [forged], "subject": {"region": "moon"}, "region": "moon"},
        headers={"x-region": "moon"},
    )
    assert response.status_code == 200
    [payload] = service.desk.log.payloads.values()
    assert payload.region == "us-east-1"
    assert b'"environment":"staging"' in payload.plaintext
    assert b'"tier":"unlisted"' in payload.plaintext
    assert b"moon" not in payload.plaintext
    assert uri.encode() in service.desk.log.entries[-1]


def test_the_certificate_s_end_bounds_leases() -> None:
    service = Service()
    service.trust.ends_us = NOW_US + 90_000_000
    [lease] = [v["lease"] for v in ask(service, proposal("a")).json()["verdicts"]]
    assert lease["expires"] == "2026-01-02T03:05:35.000006Z"
    service.trust.ends_us = FAR_US


def test_the_log_s_failure_is_a_503_without_a_verdict() -> None:
    service = Service()
    ask(service, proposal("a"))
    service.desk.log.failures = ["disk full"]
    response = ask(service, proposal("a"))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "verdicts" not in response.json()


@pytest.mark.parametrize(
    ("count", "status"), [(0, 400), (1, 200), (MAX_PROPOSALS, 200), (MAX_PROPOSALS + 1, 413)]
)
def test_the_number_of_proposals_is_bounded(count: int, status: int) -> None:
    assert ask(Service(), *[proposal("a")] * count).status_code == status


def test_past_the_limit_of_requests_in_flight_more_are_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decisions, "MAX_IN_FLIGHT", 2)
    service = Service()
    request = {"proposals": [proposal("a")]}

    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        service.desk.log.gate.clear()
        waiting = [
            asyncio.create_task(client.post("/v1/decisions", json=request)) for _ in range(2)
        ]
        while service.desk.log.waiting < 2:  # noqa: ASYNC110 - a test may spin for a moment
            await asyncio.sleep(0)
        refused = await client.post("/v1/decisions", json=request)
        service.desk.log.gate.set()
        accepted = await asyncio.gather(*waiting)
        return [refused, *accepted, await client.post("/v1/decisions", json=request)]

    refused, *accepted = service.run(talk)
    assert refused.json()["type"].endswith(":overloaded")
    assert [response.status_code for response in accepted] == [200, 200, 200]


def test_a_ledger_report_is_recorded() -> None:
    counters = {
        "scraped": 1,
        "exported": 1,
        "sampled_out": 0,
        "dropped": 0,
        "rejected": 0,
        "waiting": 0,
        "lost": {},
    }
    report = {"boot_epoch": "ab" * 16, "report": 1, "sent_at": "now", "counters": counters}
    service = Service()
    answer = service.call("POST", "/v1/ledger", json=report).json()
    assert answer["balanced"] is True
    assert answer["mismatches"] == []
    assert answer["index"] == 1


def test_the_policy_route_serves_what_collectors_project_by() -> None:
    answer = Service().call("GET", "/v1/policy").json()
    assert set(answer) == {"activation", "revision", "bundle", "floor", "class", "max_age_seconds"}
    assert set(answer["class"]) == {"attributes", "score_edges"}


def test_checkpoint_and_proofs() -> None:
    service = Service()
    note = service.call("GET", "/v1/checkpoint")
    assert (note.status_code, note.text) == (200, "note")
    proof = service.call("GET", "/v1/checkpoint/inclusion?index=1&size=2")
    assert proof.json() == {"hashes": ["aa" * 32]}
    assert service.call("GET", "/v1/checkpoint/consistency?from=1&to=2").json() == {"hashes": []}
    service.evidence.note = None
    assert service.call("GET", "/v1/checkpoint").status_code == 503


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?index=1",
        "?index=a&size=2",
        "?index=-1&size=2",
        "?index=1.5&size=2",
        "?index=101&size=2",
        "?index=" + "9" * 5000 + "&size=1",
    ],
    ids=lambda query: query[:20],
)
def test_bad_proof_requests_are_problems(query: str) -> None:
    response = Service().call("GET", "/v1/checkpoint/inclusion" + query)
    assert response.status_code == 400
    value = response.json()
    assert value["type"].endswith(":malformed")
    assert value["request_id"] == response.headers["x-request-id"]


def test_readiness_names_the_cause() -> None:
    service = Service()

    async def fine() -> str | None:
        return None

    async def broken() -> str | None:
        return "the disk is full"

    service.checks.update(engine=fine, log=fine)
    assert service.call("GET", "/readyz").status_code == 200
    service.checks["log"] = broken
    response = service.call("GET", "/readyz")
    assert response.status_code == 503
    assert response.json()["causes"] == {"log": "the disk is full"}
    assert service.call("GET", "/healthz").json() == {"status": "ok"}
    assert "gateway_ready 0.0" in service.call("GET", "/metrics", OPERATOR).text


def test_the_openapi_document_describes_both_questions() -> None:
    document = json.loads(Service().call("GET", "/openapi.json", OPERATOR).text)
    for path in ("/v1/decisions", "/v1/ledger"):
        operation = document["paths"][path]["post"]
        assert "application/json" in operation["requestBody"]["content"]
        assert "application/json" in operation["responses"]["200"]["content"]
