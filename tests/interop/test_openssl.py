"""OpenSSL accepts the trust domain's chains, and of the gateway's TLS only version 1.3."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.demo.services import running_gateway
from gateway.demo.workplace import COLLECTOR, TRUST_DOMAIN, Workplace, make_workplace
from tests.interop.programs import find, part, run, said

OPENSSL = find("openssl") or Path("openssl")
TLS_1_2 = ("-tls1_2", "-cipher", "DEFAULT@SECLEVEL=0")  # whatever OpenSSL's settings forbid
GATEWAY = f"spiffe://{TRUST_DOMAIN}/gateway/gateway-1"

pytestmark = pytest.mark.skipif(
    find("openssl") is None, reason="no openssl on this machine (Debian: apt install openssl)"
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return make_workplace(tmp_path_factory.mktemp("demo") / "demo", SystemClock())


@pytest.fixture(scope="module")
def served(workplace: Workplace) -> Iterator[Workplace]:
    part("opa")
    with running_gateway(workplace):
        yield workplace


def verify(
    workplace: Workplace, uri: str, purpose: str, root: Path | None = None
) -> tuple[int, str]:
    """`openssl verify` of a subject's chain, by the root alone."""
    chain, _ = workplace.subject(uri)
    anchor = root or workplace.folder / "keys" / "root-ca.pem"
    options = ("-x509_strict", "-purpose", purpose, "-CAfile", anchor)
    done = run(OPENSSL, "verify", *options, "-untrusted", chain, chain)
    return done.returncode, said(done)


def connect(workplace: Workplace, port: int, *options: str) -> tuple[int, str]:
    """A handshake as the collector, with the gateway's certificate verified."""
    certificate, key = workplace.subject(COLLECTOR)
    done = run(
        OPENSSL,
        *("s_client", "-connect", f"127.0.0.1:{port}", "-verify_return_error"),
        *("-verify_ip", "127.0.0.1", "-CAfile", workplace.folder / "keys" / "root-ca.pem"),
        *("-cert", certificate, "-cert_chain", certificate, "-key", key),
        *options,
    )
    return done.returncode, said(done)


@pytest.mark.parametrize(
    ("uri", "purpose", "wrong"),
    [(GATEWAY, "sslserver", "sslclient"), (COLLECTOR, "sslclient", "sslserver")],
    ids=["server", "client"],
)
def test_a_chain_holds_for_its_purpose_only(
    workplace: Workplace, uri: str, purpose: str, wrong: str
) -> None:
    code, output = verify(workplace, uri, purpose)
    assert code == 0, output
    assert ": OK" in output
    code, output = verify(workplace, uri, wrong)
    assert code != 0, output


def test_a_chain_does_not_hold_under_another_root(workplace: Workplace, tmp_path: Path) -> None:
    other = make_workplace(tmp_path / "other", SystemClock())
    root = other.folder / "keys" / "root-ca.pem"
    code, output = verify(workplace, GATEWAY, "sslserver", root)
    assert code != 0, output


def test_the_gateway_speaks_tls_1_3(served: Workplace) -> None:
    code, output = connect(served, served.port)
    assert code == 0, output
    assert "New, TLSv1.3" in output
    assert "Verify return code: 0 (ok)" in output


def test_tls_1_2_is_refused(served: Workplace) -> None:
    code, output = connect(served, served.port, *TLS_1_2)
    assert code != 0, output
    assert "Cipher is (NONE)" in output
    # asyncio closes without the alert; either way it is the gateway that ends the handshake.
    assert "alert protocol version" in output or "unexpected eof" in output
    # The same client does speak it to a server that allows it.
    with openssl_server(served) as port:
        code, output = connect(served, port, *TLS_1_2)
    assert code == 0, output
    assert "New, TLSv1.2" in output


@contextmanager
def openssl_server(workplace: Workplace) -> Iterator[int]:
    """OpenSSL's own server with the gateway's certificate, TLS 1.2 only; gives its port."""
    certificate, key = workplace.subject(GATEWAY)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [str(OPENSSL), "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", *TLS_1_2]
    command += ["-cert", str(certificate), "-cert_chain", str(certificate), "-key", str(key)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_port(port)
        yield port
    finally:
        process.kill()
        process.communicate()


def await_port(port: int) -> None:
    """Return once something listens."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("openssl s_server does not listen")
