"""A real `gateway serve` that decides by an OPA server of the user's: the server takes the bundle
from this very gateway, verifies its author's signature, and is asked over mutual TLS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.bundles.keys import keyid_of, read_private_key
from gateway.identity.authority import CA_BUNDLE
from tests.fakes.live_bundles import KEPT, Built, begin_with, small
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, end
from tests.fakes.live_log import Reading, verify_whole
from tests.fakes.live_people import asked, await_true, people_at, until_served, verdict_of
from tests.fakes.remote_opa import CLIENT, RemoteServer

SCOPE = "compliance-gateway/bundle/v1"
DWELL = "rollout: {share_permille: 200, dwell_seconds: 3, min_evaluated: 0}"
FAST = "rollout: {share_permille: 200, dwell_seconds: 0, min_evaluated: 0}"
NEWLY_KEPT = "desk2-"

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveGateway]:
    made = LiveGateway.make(tmp_path / "place")
    made.set(DWELL, FAST)
    begin_with(made, small(made, 1))
    try:
        yield made
    finally:
        end(made)


@pytest.fixture
def opa(tmp_path: Path, gateway: LiveGateway) -> Iterator[RemoteServer]:
    """The user's OPA, with a CA of its own, configured with the author's public key."""
    server = RemoteServer(tmp_path / "opa", _opa_config(gateway))
    certificate, key = server.files(CLIENT)
    gateway.set(
        "key_service:",
        f"""\
  remote:
    servers: ["https://localhost:{server.port}"]
    ca: {server.keys / CA_BUNDLE}
    certificate: {certificate}
    key: {key}
    switch_seconds: 240
key_service:""",
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _opa_config(gateway: LiveGateway) -> dict[str, Any]:
    keys = gateway.workplace.folder / "keys"
    certificate, key = gateway.workplace.subject(gateway.enrol("engine/opa-1"))
    author = read_private_key(keys / "bundle.key").public_key()
    keyid = keyid_of(author)
    service = {
        "url": gateway.workplace.url,
        "credentials": {"client_tls": {"cert": str(certificate), "private_key": str(key)}},
        "tls": {"ca_cert": str(keys / "ca.pem")},
    }
    verification = {
        "algorithm": "ES256",
        "key": (keys / "bundle.pub").read_text(encoding="utf-8"),
        "scope": SCOPE,
    }
    bundle = {
        "service": "gateway",
        "resource": "/bundles/policies",
        "polling": {
            "min_delay_seconds": 1,
            "max_delay_seconds": 2,
            "long_polling_timeout_seconds": 10,
        },
        "signing": {"keyid": keyid, "scope": SCOPE},
    }
    return {
        "services": {"gateway": service},
        "bundles": {"policies": bundle},
        "keys": {keyid: verification},
        "status": {"service": "gateway"},
    }


def test_a_gateway_decides_by_the_user_s_opa(gateway: LiveGateway, opa: RemoteServer) -> None:
    gateway.start()  # ready once the OPA serves what the gateway gave it
    second = small(gateway, 2, kept=(*KEPT, NEWLY_KEPT))
    uri = gateway.collector("collector-1")
    with (
        people_at(gateway) as people,
        gateway.client(uri) as collector,
        gateway.client(OPERATOR_URI) as operator,
    ):
        assert gateway.children() == []  # nobody else could have answered
        assert _served(opa) == small(gateway, 1).bundle.revision
        assert verdict_of(asked(collector, "log-shipper-1"))["effect"] == "permitted"
        assert verdict_of(asked(collector, f"{NEWLY_KEPT}1"))["action"] == "drop"
        assert verdict_of(asked(collector, "vault-1"))["reasons"][0]["level"] == "hard"

        people.put_in_force(second)
        verdict = verdict_of(until_served(collector, f"{NEWLY_KEPT}1"))
        assert (verdict["action"], verdict["effect"]) == ("keep", "overridden")
        assert _served(opa) == second.bundle.revision

        opa.kill()
        verdict = verdict_of(asked(collector, "log-shipper-2"))
        assert (verdict["action"], verdict["effect"]) == ("keep", "fail_safe")
        assert verdict["lease"] is None
        causes = gateway.await_status(operator, "/readyz", 503).json()["causes"]
        assert list(causes) == ["engine"]
        opa.start()
        gateway.await_status(operator, "/readyz", 200)
        assert verdict_of(until_served(collector, "log-shipper-3"))["effect"] == "permitted"
        metrics = operator.get("/metrics").text
        assert 'gateway_engine_wrong_revision{engine="' in metrics
    reading = Reading.of(gateway)
    reading.verify_decisions()
    engines = {entry.body["engine"]["name"] for entry in reading.types("evaluations")}
    assert engines == {"opa"}
    codes = {code for entry in reading.types("decisions") for code in entry.body["fail_safe"]}
    assert "unreachable" in codes
    assert gateway.stop() == 0
    verify_whole(gateway)


def test_a_server_with_another_revision_is_not_believed(
    gateway: LiveGateway, opa: RemoteServer, tmp_path: Path
) -> None:
    """The same policies, a valid signature, another version: an OPA that got it elsewhere."""
    gateway.start()
    other = _elsewhere(tmp_path, gateway, small(gateway, 7))
    with (
        gateway.client(gateway.collector("collector-1")) as collector,
        gateway.client(OPERATOR_URI) as operator,
    ):
        assert verdict_of(asked(collector, "log-shipper-1"))["effect"] == "permitted"
        opa.kill()
        opa.config = other
        opa.start()
        await_true(lambda: _served(opa) == small(gateway, 7).bundle.revision, opa.last_words)
        for number in range(3):
            verdict = verdict_of(asked(collector, f"update-agent-{number}"))
            assert (verdict["action"], verdict["effect"]) == ("keep", "fail_safe")
        causes = gateway.await_status(operator, "/readyz", 503).json()["causes"]
        assert "wrong_revision" in causes["engine"]
        opa.kill()
        opa.config = _opa_config(gateway)
        opa.start()
        gateway.await_status(operator, "/readyz", 200)
        assert verdict_of(until_served(collector, "update-agent-9"))["effect"] == "permitted"
    reading = Reading.of(gateway)
    reading.verify_decisions()
    codes = {code for entry in reading.types("decisions") for code in entry.body["fail_safe"]}
    assert "wrong_revision" in codes


def _elsewhere(folder: Path, gateway: LiveGateway, made: Built) -> dict[str, Any]:
    """The OPA's configuration with the bundle out of a file."""
    archive = folder / "other.tar.gz"
    archive.write_bytes(made.archive)
    config = _opa_config(gateway)
    bundle = config["bundles"]["policies"]
    del bundle["service"]
    bundle["resource"] = archive.as_uri()
    bundle["polling"] = {"min_delay_seconds": 1, "max_delay_seconds": 2}
    return config


def _served(opa: RemoteServer) -> str:
    """The revision that the OPA itself says it serves; empty while it serves none."""
    with httpx.Client(verify=opa.context(), trust_env=False) as client:
        answer = client.get(f"https://localhost:{opa.port}/v1/data/data/class?provenance=true")
    bundles = answer.json()["provenance"].get("bundles") or {}
    return str(bundles.get("policies", {}).get("revision", ""))
