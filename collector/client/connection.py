"""The mTLS connection to the gateway: TLS 1.3, our own CA, nothing taken from the environment."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography import x509

from collector.errors import ConfigError

CONNECT_SECONDS = 3.0
IO_SECONDS = 5.0

_COLLECTOR_SEGMENTS = 5  # trust domain, "collector", environment, region, id


@dataclass(frozen=True)
class GatewayConnection:
    """Where the gateway is and what proves each side to the other (PEM files)."""

    url: str
    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class OwnSubject:
    """Who this collector is, as its certificate says (docs/formats.md section 1)."""

    uri: str
    environment: str
    region: str
    collector_id: str


def open_http(connection: GatewayConnection) -> httpx.Client:
    """A keep-alive HTTP/1.1 client; raises ConfigError where a PEM file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host's name
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cafile=str(connection.ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"gateway.ca {connection.ca} cannot be used: {_cause(error)}") from None
    try:
        # The empty password keeps OpenSSL from asking a terminal for one.
        context.load_cert_chain(str(connection.certificate), str(connection.key), password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"gateway.certificate {connection.certificate} and gateway.key {connection.key} "
            f"cannot be used together: {_cause(error)}"
        ) from None
    return httpx.Client(
        base_url=connection.url,
        verify=context,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(IO_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=4, max_keepalive_connections=2),
        headers={"accept-encoding": "identity"},  # the size bound then holds for what arrives
    )


def read_subject(certificate: Path) -> OwnSubject:
    """The subject in the collector's own certificate; raises ConfigError for any other."""
    try:
        parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except OSError as error:
        raise ConfigError(f"gateway.certificate {certificate}: {error.strerror}") from None
    except (ValueError, x509.ExtensionNotFound):
        raise ConfigError(f"gateway.certificate {certificate} has no readable subject") from None
    prefix = "spiffe://"
    segments = uris[0].removeprefix(prefix).split("/") if len(uris) == 1 else []
    if (
        len(segments) != _COLLECTOR_SEGMENTS
        or segments[1] != "collector"
        or not all(segments)
        or not uris[0].startswith(prefix)
    ):
        raise ConfigError(
            f"gateway.certificate {certificate} is not a collector's: its one URI name must be "
            "spiffe://<trust-domain>/collector/<environment>/<region>/<id>"
        )
    return OwnSubject(uris[0], *segments[2:])


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or "not PEM, or key and certificate differ"
        return str(reason).lower().replace("_", " ")
    return error.strerror or type(error).__name__
