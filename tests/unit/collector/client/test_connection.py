"""mTLS as it is: TLS 1.3, the configured CA only, nothing from the environment."""

import ssl
from pathlib import Path

import pytest

from collector.client.connection import GatewayConnection, open_http, read_subject
from collector.client.gateway_client import GatewayClient, GatewayRefused
from collector.errors import ConfigError
from gateway.clock import SystemClock
from tests.fakes.gateway import FakeGateway
from tests.fakes.gateway_server import serve
from tests.fakes.pki import AUDITOR, COLLECTOR, GATEWAY, Domain, make_domain

CLOCK = SystemClock()


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return make_domain(tmp_path / "keys", CLOCK)


@pytest.fixture
def stranger(tmp_path: Path) -> Domain:
    return make_domain(tmp_path / "stranger", CLOCK)


def client_of(domain: Domain, url: str, ca: Path | None = None) -> GatewayClient:
    certificate, key = domain.files(COLLECTOR)
    connection = GatewayConnection(url, ca or domain.ca, certificate, key)
    return GatewayClient(url, lambda: open_http(connection), CLOCK)


def test_both_sides_prove_who_they_are(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # must not be taken
    gateway = FakeGateway(CLOCK)
    with serve(gateway, domain) as url:
        client = client_of(domain, url)
        assert client.fetch_policy().activation == gateway.activation
        assert client.fetch_checkpoint() == gateway.checkpoint()
        client.close()


def test_a_gateway_of_another_ca_is_refused(domain: Domain, stranger: Domain) -> None:
    gateway = FakeGateway(CLOCK)
    with serve(gateway, stranger) as url, pytest.raises(GatewayRefused):
        client_of(domain, url).fetch_policy()
    assert gateway.paths == []


def test_a_gateway_that_refuses_our_certificate_is_a_refusal(
    domain: Domain, stranger: Domain
) -> None:
    with serve(FakeGateway(CLOCK), domain) as url, pytest.raises(GatewayRefused):
        client_of(stranger, url, ca=domain.ca).fetch_policy()


def test_tls_1_2_is_refused(domain: Domain) -> None:
    gateway = FakeGateway(CLOCK)
    with (
        serve(gateway, domain, newest_tls=ssl.TLSVersion.TLSv1_2) as url,
        pytest.raises(GatewayRefused),
    ):
        client_of(domain, url).fetch_policy()
    assert gateway.paths == []


def test_another_host_name_is_refused(domain: Domain) -> None:
    """A collector's certificate is of the same CA and must not pass for the gateway's."""
    with (
        serve(FakeGateway(CLOCK), domain, server_files=domain.files(COLLECTOR)) as url,
        pytest.raises(GatewayRefused),
    ):
        client_of(domain, url).fetch_policy()


def test_the_own_subject_is_read_from_the_certificate(domain: Domain) -> None:
    subject = read_subject(domain.files(COLLECTOR)[0])
    assert subject.uri == COLLECTOR
    assert (subject.environment, subject.region) == ("production", "eu-west-1")
    assert subject.collector_id == "collector-1"


@pytest.mark.parametrize("uri", [GATEWAY, AUDITOR])
def test_another_role_cannot_be_a_collector(domain: Domain, uri: str) -> None:
    with pytest.raises(ConfigError, match="is not a collector's"):
        read_subject(domain.files(uri)[0])


def test_files_that_cannot_be_used_are_named(domain: Domain, tmp_path: Path) -> None:
    certificate, key = domain.files(COLLECTOR)
    other_key = domain.files(GATEWAY)[1]
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing\n")
    url = "https://localhost"
    with pytest.raises(ConfigError, match=r"gateway\.ca .*bad\.pem"):
        open_http(GatewayConnection(url, bad, certificate, key))
    with pytest.raises(ConfigError, match=r"gateway\.key"):
        open_http(GatewayConnection(url, domain.ca, certificate, other_key))
    with pytest.raises(ConfigError, match=r"gateway\.key .*No such file"):
        open_http(GatewayConnection(url, domain.ca, certificate, tmp_path / "missing"))
    with pytest.raises(ConfigError, match="no readable subject"):
        read_subject(bad)
