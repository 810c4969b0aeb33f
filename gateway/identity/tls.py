"""TLS contexts for both ends: TLS 1.3, certificates on both sides, nothing else.

A handshake says who is calling *then*. With TLS 1.3 a client could come back by session ticket
without showing its certificate again, past a CRL or CA that has changed since, so the server gives
out no tickets (`num_tickets = 0`); and `gateway.identity.trust` checks each request besides,
because a connection may live for days.
"""

import ssl
from pathlib import Path

from gateway.errors import ConfigError

ALPN = "http/1.1"


def server_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """For `gateway serve`: shows `certificate` (a PEM chain, leaf first), demands a client
    certificate that `client_ca` (PEM, root and issuing CAs) vouches for.

    Raises ConfigError that names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    return _fill(context, certificate, key, client_ca)


def client_context(certificate: Path, key: Path, server_ca: Path) -> ssl.SSLContext:
    """For callers of the gateway: shows `certificate`, demands that `server_ca` vouches for the
    server and that the server's certificate names the host asked for.

    Raises ConfigError that names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    return _fill(context, certificate, key, server_ca)


def _fill(context: ssl.SSLContext, certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols([ALPN])
    for path, what in ((certificate, "certificate chain"), (key, "private key"), (ca, "CA file")):
        _verify_readable(path, what)
    try:
        # The empty password keeps OpenSSL from asking a terminal for one.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError):
        raise ConfigError(
            f"{certificate} and {key} are not a PEM certificate chain and its unencrypted key: "
            "check that both are of the same subject"
        ) from None
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError:
        raise ConfigError(f"{ca} holds no PEM certificates: it should be the CA bundle") from None
    return context


def _verify_readable(path: Path, what: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the {what}: {error.strerror}") from None
