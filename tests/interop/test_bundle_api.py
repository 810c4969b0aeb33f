"""A real OPA takes its bundle from the gateway over mTLS, switches by long poll, and reports."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gateway.identity.tls import client_context
from tests.fakes.bundle_gateway import ENGINE, NAME, BundleGateway
from tests.fakes.bundles import small_bundle
from tests.fakes.pki import COLLECTOR
from tests.fakes.remote_opa import RemoteServer

PATIENCE_SECONDS = 30.0  # other work may hold the machine; the time taken is printed


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[BundleGateway]:
    with BundleGateway(tmp_path / "keys", small_bundle()) as gateway:
        yield gateway


@pytest.fixture
def opa(tmp_path: Path, gateway: BundleGateway) -> Iterator[RemoteServer]:
    server = RemoteServer(tmp_path / "opa", gateway.opa_config())
    try:
        server.start()
        yield server
    finally:
        server.kill()


def await_seconds(is_met: Callable[[], bool], what: str) -> float:
    """How long it took."""
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE_SECONDS:
        if is_met():
            return time.monotonic() - started
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {what}")


def reported(gateway: BundleGateway) -> str:
    """The revision that the OPA reported last."""
    reports = gateway.reports.reports()
    return reports[ENGINE].revision if ENGINE in reports else ""


def test_a_real_opa_activates_switches_and_reports(
    gateway: BundleGateway, opa: RemoteServer
) -> None:
    first, second = small_bundle(), small_bundle(version=2)
    await_seconds(lambda: reported(gateway) == first.revision, opa.last_words())
    assert gateway.reports.problems() == {}
    report = gateway.reports.reports()[ENGINE]
    assert (report.error, report.opa_version.split(".")[0]) == ("", "1")

    polls = requests_answered(gateway, "200")
    gateway.publish(second)
    took = await_seconds(lambda: reported(gateway) == second.revision, opa.last_words())
    sys.stdout.write(f"switched and reported after {took:.2f} s\n")
    assert took < 10, "long polling does not work: OPA polled by its own minute"
    assert requests_answered(gateway, "200") == polls + 1

    gateway.publish(first)  # a rollback: the tag is new although the bundle is not
    await_seconds(lambda: reported(gateway) == first.revision, opa.last_words())
    with httpx.Client(verify=opa.context(), trust_env=False) as client:
        answer = client.get(f"https://localhost:{opa.port}/v1/data/data/class?provenance=true")
    assert answer.json()["provenance"]["bundles"] == {NAME: {"revision": first.revision}}


def requests_answered(gateway: BundleGateway, status: str) -> float:
    name, labels = "gateway_requests_total", {"path": "/bundles/{name}", "status": status}
    return gateway.metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_bundle_that_opa_refuses_shows_in_the_reports(
    gateway: BundleGateway, opa: RemoteServer
) -> None:
    await_seconds(lambda: reported(gateway) == small_bundle().revision, opa.last_words())
    broken = small_bundle(rego=b"package main\n\nverdicts := undefined_function(input)\n")
    gateway.publish(broken)
    await_seconds(lambda: bool(gateway.reports.problems()), opa.last_words())
    assert reported(gateway) == small_bundle().revision  # the old one goes on serving
    labels = {"engine": ENGINE}
    await_seconds(
        lambda: (
            gateway.metrics.registry.get_sample_value("gateway_engine_bundle_error", labels) == 1.0
        ),
        opa.last_words(),
    )
    wrong = gateway.metrics.registry.get_sample_value("gateway_engine_wrong_revision", labels)
    assert wrong == 1.0


def test_only_an_engine_gets_the_bundle(gateway: BundleGateway) -> None:
    for uri, status in ((ENGINE, 200), (COLLECTOR, 403)):
        context = client_context(*gateway.domain.files(uri), gateway.domain.ca)
        with httpx.Client(verify=context, trust_env=False, base_url=gateway.url) as client:
            answer = client.get(f"/bundles/{NAME}")
            assert answer.status_code == status
            if status == 200:
                assert answer.content == gateway.bundle.archive


def test_a_question_with_nothing_new_is_held_as_long_as_it_asks(gateway: BundleGateway) -> None:
    context = client_context(*gateway.domain.files(ENGINE), gateway.domain.ca)
    with httpx.Client(verify=context, trust_env=False, base_url=gateway.url) as client:
        etag = client.get(f"/bundles/{NAME}").headers["etag"]
        headers = {"if-none-match": etag, "prefer": "modes=snapshot,delta;wait=1"}
        started = time.monotonic()
        assert client.get(f"/bundles/{NAME}", headers=headers).status_code == 304
        assert time.monotonic() - started >= 0.9
