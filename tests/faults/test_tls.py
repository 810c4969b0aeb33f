"""mTLS with a real uvicorn on loopback: who gets in, and who is cut off while connected."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from cryptography import x509

from gateway.clock import ManualClock
from gateway.errors import IdentityError
from gateway.identity.authority import SUBJECT_DAYS
from gateway.identity.tls import client_context, server_context
from gateway.identity.trust import TrustStore
from gateway.identity.uvicorn_tls import TlsHttpProtocol
from tests.fakes.pki import (
    AUDITOR,
    COLLECTOR,
    GATEWAY,
    TRUST_DOMAIN,
    Domain,
    make_bogus,
    make_domain,
)

HEAD_TIMEOUT_SECONDS = 0.3
NewLoop = Callable[[], asyncio.AbstractEventLoop]
KEEP_ALIVE_SECONDS = 4  # below uvicorn's 5, which must not be what closes the connection


class QuickProtocol(TlsHttpProtocol):
    head_timeout_seconds = HEAD_TIMEOUT_SECONDS


class Echo:
    """An application that answers with the subject, or 401 with the reason."""

    def __init__(self, trust: TrustStore) -> None:
        self._trust = trust

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        tls = scope["extensions"]["tls"]
        try:
            status, text = 200, self._trust.identify(tls["client_cert_der"]).uri
        except IdentityError as error:
            status, text = 401, str(error)
        shown = {key: value for key, value in tls.items() if key != "client_cert_der"}
        body = json.dumps({"text": text, "tls": shown}).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Service:
    """The server in a thread, its domain and its clock."""

    def __init__(self, domain: Domain, clock: ManualClock, new_loop: NewLoop) -> None:
        self._new_loop = new_loop
        self.domain = domain
        self.clock = clock
        self.trust = TrustStore(TRUST_DOMAIN, domain.ca, domain.crl, clock)
        context = server_context(*domain.files(GATEWAY), domain.ca)
        config = uvicorn.Config(
            Echo(self.trust),
            http=QuickProtocol,
            ssl_context_factory=lambda _config, _default: context,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            runner.run(self._server.serve(sockets=[self._socket]))

    def __enter__(self) -> "Service":
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "uvicorn did not start"
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    def context(self, uri: str = COLLECTOR) -> ssl.SSLContext:
        return client_context(*self.domain.files(uri), self.domain.ca)

    def connect(self, context: ssl.SSLContext, host: str = "localhost") -> HTTPSConnection:
        return HTTPSConnection(host, self.port, context=context, timeout=5)

    def raw(self, hostname: str = "localhost") -> ssl.SSLSocket:
        with socket.create_connection(("127.0.0.1", self.port), 5) as plain:
            return self.context().wrap_socket(plain, server_hostname=hostname)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    # OpenSSL has the machine's time, so the moved clock starts there too.
    clock = ManualClock(wall_us=time.time_ns() // 1000)
    domain = make_domain(tmp_path / "keys", clock)
    with Service(domain, clock, uvloop.new_event_loop) as service:  # uvicorn's own choice
        yield service


def ask(connection: HTTPConnection) -> tuple[int, str]:
    connection.request("GET", "/")
    response = connection.getresponse()
    return response.status, json.loads(response.read())["text"]


def refuse(service: Service, context: ssl.SSLContext) -> None:
    """In TLS 1.3 the server's refusal of a certificate reaches the client at its first read."""
    connection = service.connect(context)
    with pytest.raises((ssl.SSLError, ConnectionResetError, BrokenPipeError)):
        ask(connection)
    connection.close()


def trusting(service: Service) -> ssl.SSLContext:
    """A client that trusts the server and shows nothing."""
    return ssl.create_default_context(cafile=str(service.domain.ca))


@pytest.mark.parametrize("uri", [COLLECTOR, AUDITOR])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_right_certificate_is_its_subject(service: Service, uri: str, host: str) -> None:
    connection = service.connect(service.context(uri), host)
    assert ask(connection) == (200, uri)
    assert ask(connection) == (200, uri)
    connection.close()


def test_event_loop_of_the_standard_library_serves_as_well(tmp_path: Path) -> None:
    clock = ManualClock(wall_us=time.time_ns() // 1000)
    domain = make_domain(tmp_path / "keys", clock)
    with Service(domain, clock, asyncio.new_event_loop) as service:
        connection = service.connect(service.context())
        assert ask(connection) == (200, COLLECTOR)
        domain.revoke(COLLECTOR)
        clock.advance(1)
        assert ask(connection)[0] == 401
        connection.close()


def test_scope_carries_the_tls_extension(service: Service) -> None:
    connection = service.connect(service.context())
    connection.request("GET", "/")
    tls = json.loads(connection.getresponse().read())["tls"]
    connection.close()
    (leaf,) = tls.pop("client_cert_chain")
    assert x509.load_pem_x509_certificate(leaf.encode()) == x509.load_der_x509_certificate(
        service.domain.der()
    )
    assert tls.pop("cipher") == "TLS_AES_256_GCM_SHA384"
    assert tls == {
        "server_cert": None,
        "client_cert_name": "CN=collector-1",
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": 0x1302,
    }


def test_no_client_certificate_fails_the_handshake(service: Service) -> None:
    refuse(service, trusting(service))


def test_certificate_of_another_ca_fails_the_handshake(service: Service, tmp_path: Path) -> None:
    other = make_domain(tmp_path / "other", service.clock)
    refuse(service, client_context(*other.files(COLLECTOR), service.domain.ca))


def test_server_certificate_is_no_client_certificate(service: Service) -> None:
    refuse(service, client_context(*service.domain.files(GATEWAY), service.domain.ca))


def test_name_constraint_keeps_the_issuing_ca_to_its_trust_domain(
    service: Service, tmp_path: Path
) -> None:
    names = [x509.UniformResourceIdentifier("spiffe://other.test/auditor/ada")]
    bogus = make_bogus(service.domain.issuer(), service.clock, names).write(tmp_path)
    refuse(service, client_context(*bogus, service.domain.ca))


def test_several_uris_pass_the_handshake_and_are_nobody(service: Service, tmp_path: Path) -> None:
    names = [x509.UniformResourceIdentifier(uri) for uri in (COLLECTOR, AUDITOR)]
    bogus = make_bogus(service.domain.issuer(), service.clock, names).write(tmp_path)
    connection = service.connect(client_context(*bogus, service.domain.ca))
    status, reason = ask(connection)
    connection.close()
    assert (status, "2 URI names" in reason) == (401, True)


def test_tls_1_2_fails_the_handshake(service: Service) -> None:
    context = trusting(service)
    context.load_cert_chain(*service.domain.files(COLLECTOR))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    refuse(service, context)


def test_plain_http_gets_nothing(service: Service) -> None:
    connection = HTTPConnection("127.0.0.1", service.port, timeout=5)
    with pytest.raises((ConnectionError, OSError)):
        ask(connection)
    connection.close()


def test_client_refuses_a_server_of_another_name(service: Service) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        service.raw("gateway.other.test")


def test_server_gives_out_no_tickets(service: Service) -> None:
    with service.raw() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        session = connection.session
        assert session is None or not session.has_ticket
        assert connection.selected_alpn_protocol() == "http/1.1"


def test_revoked_while_connected_is_refused_at_the_next_request(service: Service) -> None:
    connection = service.connect(service.context())
    other = service.connect(service.context(AUDITOR))
    assert ask(connection) == (200, COLLECTOR)
    kept = connection.sock
    service.domain.revoke(COLLECTOR)
    service.clock.advance(1)
    assert ask(connection) == (401, f"the certificate of {COLLECTOR} is revoked")
    assert connection.sock is kept, "the same connection"
    assert ask(other) == (200, AUDITOR)
    connection.close()
    other.close()


def test_expired_in_the_middle_of_a_connection_is_refused(service: Service) -> None:
    connection = service.connect(service.context())
    assert ask(connection) == (200, COLLECTOR)
    kept = connection.sock
    service.clock.advance(SUBJECT_DAYS * 86_400 - 86_400)
    assert ask(connection)[0] == 200
    service.clock.advance(86_401)
    assert ask(connection) == (401, f"the certificate of {COLLECTOR} has expired")
    assert connection.sock is kept, "the same connection"
    connection.close()


def test_crl_broken_while_connected_refuses_until_it_is_mended(service: Service) -> None:
    connection = service.connect(service.context())
    assert ask(connection) == (200, COLLECTOR)
    good = service.domain.crl.read_bytes()
    service.domain.crl.write_bytes(good[: len(good) // 2])
    service.clock.advance(1)
    status, reason = ask(connection)
    assert (status, str(service.domain.crl) in reason) == (401, True)
    service.domain.crl.write_bytes(good)
    service.clock.advance(1)
    assert ask(connection) == (200, COLLECTOR)
    connection.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost:", b"\r\n"])
def test_head_that_does_not_come_ends_the_connection(service: Service, sent: bytes) -> None:
    with service.raw() as connection:
        began = time.monotonic()
        connection.sendall(sent)
        assert connection.recv(1) == b""
        assert time.monotonic() - began >= HEAD_TIMEOUT_SECONDS * 0.9


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nx: y", b"\r\n"])
def test_drips_after_an_answer_end_the_connection(service: Service, sent: bytes) -> None:
    with service.raw() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        began = time.monotonic()
        connection.sendall(sent)
        assert connection.recv(1) == b""
        assert time.monotonic() - began < KEEP_ALIVE_SECONDS


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 2_000_000,  # never ends
    ],
)
def test_head_too_large_is_a_400(service: Service, head: bytes) -> None:
    with service.raw() as connection:
        answer = b""
        try:
            connection.sendall(head)
            answer = connection.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return  # the answer was overtaken by the reset: it is closed, which is what matters
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_head_of_30_kilobytes_and_a_large_body_are_fine(service: Service) -> None:
    connection = service.connect(service.context())
    for _ in range(2):
        connection.request("POST", "/", b"z" * 3_000_000, {"x": "y" * 30_000})
        assert connection.getresponse().read()
    connection.close()


def test_websocket_upgrade_is_answered_as_plain_http(service: Service) -> None:
    connection = service.connect(service.context())
    headers = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    connection.request("GET", "/", headers=headers)
    assert connection.getresponse().status == 200
    connection.close()
