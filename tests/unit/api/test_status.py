"""Status reports of OPA servers."""

from typing import Any

import pytest

from gateway.api import status
from gateway.api.status import SILENT_AFTER_SECONDS
from gateway.identity.subject import Role
from tests.fakes.api import SUBJECTS, Service
from tests.fakes.outer import BUNDLE

ENGINE = SUBJECTS[Role.ENGINE]
REVISION = "7-00aa"


def report(revision: str = REVISION, name: str = BUNDLE, **more: Any) -> dict[str, Any]:
    """As OPA 1.22 sends it, shortened."""
    times = {"last_successful_activation": "2026-11-25T10:00:00Z"}
    return {
        "labels": {"id": "1f", "version": "1.22.2"},
        "bundles": {name: {"name": name, "active_revision": revision, **times, **more}},
        "plugins": {"bundle": {"state": "OK"}, "status": {"state": "OK"}},
        "metrics": {"prometheus": {}},
    }


def send(service: Service, body: Any, path: str = "/status", uri: str = ENGINE) -> int:
    return service.call("POST", path, uri, json=body).status_code


def sample(service: Service, name: str, uri: str = ENGINE) -> float | None:
    return service.metrics.registry.get_sample_value(name, {"engine": uri})


@pytest.mark.parametrize("path", ["/status", "/status/eu-west-1"])
def test_a_report_is_remembered(path: str) -> None:
    service = Service()
    assert send(service, report(), path) == 204
    [(uri, told)] = service.outer.reports.reports().items()
    assert (uri, told.revision, told.error, told.opa_version) == (ENGINE, REVISION, "", "1.22.2")
    assert told.reported_us == service.desk.clock.now_us()
    assert service.outer.reports.problems() == {}
    assert sample(service, "gateway_engine_wrong_revision") == 0.0


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (report("6-old"), f"it serves revision 6-old, not {REVISION}"),
        (report(""), f"it serves revision none, not {REVISION}"),
        (report(name="another"), f"it serves revision none, not {REVISION}"),
        ({}, f"it serves revision none, not {REVISION}"),
        (
            report(code="bundle_error", message="no such file", errors=[{"message": "x"}]),
            "bundle_error: no such file (1 errors)",
        ),
    ],
)
def test_what_is_amiss_is_named_and_counted(body: dict[str, Any], problem: str) -> None:
    service = Service()
    assert send(service, body) == 204
    assert service.outer.reports.problems() == {ENGINE: problem}
    is_error = "bundle_error" in problem
    assert sample(service, "gateway_engine_wrong_revision") == float(not is_error)
    assert sample(service, "gateway_engine_bundle_error") == float(is_error)


def test_a_later_report_replaces_the_earlier_and_silence_is_noticed() -> None:
    service = Service()
    send(service, report("6-old"))
    send(service, report())
    assert service.outer.reports.problems() == {}
    service.desk.clock.advance(SILENT_AFTER_SECONDS + 1)
    assert "has not reported" in service.outer.reports.problems()[ENGINE]


def test_of_too_many_engines_the_one_that_was_silent_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status, "MAX_ENGINES", 2)
    service = Service()
    for name in ("a", "b", "a", "c"):
        send(service, report(), uri=f"spiffe://example.org/engine/{name}")
    kept = [uri.rsplit("/", 1)[1] for uri in service.outer.reports.reports()]
    assert kept == ["a", "c"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b'{"bundles": []}',
        b'{"bundles": {"compliance": {"active_revision": 7}}}',
        b'{"labels": {"version": {}}}',
        b'{"bundles": {"compliance": {"message": "' + b"x" * 70_000 + b'"}}}',
        b"[" * 100_000,
        b'{"labels": {"version": "\xff"}}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_another_shape_is_refused_and_nothing_is_remembered(body: bytes) -> None:
    service = Service()
    headers = {"content-type": "application/json"}
    answer = service.call("POST", "/status", ENGINE, content=body, headers=headers)
    assert answer.json()["type"].endswith(":malformed")
    assert service.outer.reports.reports() == {}


def test_a_report_past_the_limit_is_refused() -> None:
    answer = Service().call(
        "POST",
        "/status",
        ENGINE,
        content=b'{"metrics": "' + b"x" * (1024 * 1024) + b'"}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 413


def test_words_of_an_engine_s_stay_short_and_out_of_the_metrics() -> None:
    service = Service()
    send(service, report("r" * 5000, code="bundle_error", message="m" * 5000))
    [told] = service.outer.reports.reports().values()
    assert len(told.revision) <= 256
    assert len(told.error) <= 256
    assert b"mmm" not in service.metrics.exposition()
    assert b"rrr" not in service.metrics.exposition()
