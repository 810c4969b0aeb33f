"""The people's client: its file, its TLS, and what it makes of answers."""

from pathlib import Path

import httpx
import pytest

from gateway.client.person_file import PersonFile, read_person
from gateway.client.queue_client import QueueClient, open_queue
from gateway.clock import SystemClock
from gateway.errors import (
    ChangeRefusedError,
    ConfigError,
    ConflictError,
    GatewayError,
    IdentityError,
    InputError,
    LogUnavailableError,
)
from tests.fakes.gateway_server import serve
from tests.fakes.pki import AUDITOR, Domain, make_domain

FORM = "gateway: {url}\ncertificate: c.pem\nkey: k.pem\nca: ca.pem\n"


def test_a_person_file_names_paths_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ann.yaml"
    path.write_text(FORM.format(url="https://gw:8443"))
    assert read_person(path) == PersonFile(
        "https://gw:8443", tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "ca.pem"
    )


@pytest.mark.parametrize(
    "text",
    ["gateway: https://gw\n", FORM.format(url="http://gw"), FORM.format(url="https://gw") + "x: 1"],
)
def test_a_wrong_person_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ann.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"ann\.yaml"):
        read_person(path)


def asked(status: int, body: bytes) -> QueueClient:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=body))
    return QueueClient(httpx.Client(transport=transport, base_url="https://gw"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InputError),
        (401, IdentityError),
        (403, IdentityError),
        (404, ChangeRefusedError),
        (409, ConflictError),
        (413, InputError),
        (422, ChangeRefusedError),
        (503, LogUnavailableError),
        (500, ConfigError),
    ],
)
def test_a_problem_becomes_its_own_sentence(status: int, kind: type[GatewayError]) -> None:
    with pytest.raises(kind, match=r"^because$"):
        asked(status, b'{"detail": "because"}').list_exceptions()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"\xff"])
def test_another_servers_answer_is_refused(body: bytes) -> None:
    with pytest.raises(ConfigError, match="no gateway's"):
        asked(200, body).list_changes(with_past=False)


@pytest.mark.parametrize("fault", [httpx.ReadTimeout, httpx.ConnectError, httpx.ReadError])
def test_a_broken_connection_is_one_sentence(fault: type[httpx.TransportError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise fault("secret detail", request=request)

    http = httpx.Client(transport=httpx.MockTransport(fail), base_url="https://gw")
    with pytest.raises(ConfigError, match="https://gw") as found:
        QueueClient(http).rollback("", "why")
    assert "secret" not in str(found.value)


def test_an_id_never_becomes_another_path() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, content=b"{}")

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://gw")
    QueueClient(http).show_change("../x?y")
    assert seen == [b"/v1/changes/..%2Fx%3Fy"]


class Recording:
    """Answers with an empty list of exceptions."""

    def handle(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"exceptions": []})


def person_of(domain: Domain, url: str, ca: Path | None = None) -> PersonFile:
    certificate, key = domain.files(AUDITOR)
    return PersonFile(url, certificate, key, ca or domain.ca)


def test_it_asks_over_mutual_tls(tmp_path: Path) -> None:
    domain = make_domain(tmp_path / "keys", SystemClock())
    with (
        serve(Recording(), domain) as url,  # type: ignore[arg-type]
        open_queue(person_of(domain, url)) as queue,
    ):
        assert queue.list_exceptions() == {"exceptions": []}


def test_a_server_of_another_domain_is_not_asked(tmp_path: Path) -> None:
    domain, other = (
        make_domain(tmp_path / "keys", SystemClock()),
        make_domain(tmp_path / "other", SystemClock()),
    )
    with (
        serve(Recording(), domain) as url,  # type: ignore[arg-type]
        open_queue(person_of(domain, url, other.ca)) as queue,
        pytest.raises(ConfigError, match="not one of your ca's"),
    ):
        queue.list_exceptions()
