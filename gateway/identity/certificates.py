"""Making certificates and CRLs of a development trust domain (RFC 5280, X509-SVID). No files here.

Everything is ECDSA P-256 with SHA-256. Serial numbers are 159 random bits.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import ConfigError
from gateway.identity.subject import Role, Subject

BACKDATE = timedelta(minutes=5)  # for machines whose clocks are a little behind the issuer's
MAX_COMMON_NAME = 64  # RFC 5280 appendix A, ub-common-name

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that can sign: its certificate and private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def generate_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key from the system's randomness."""
    return ec.generate_private_key(ec.SECP256R1())


def create_root(trust_domain: str, now: datetime, lifetime: timedelta) -> Issuer:
    """A self-signed root that may sign one level of CAs."""
    key = generate_key()
    name = _name(f"{trust_domain} root CA")
    builder = _builder(name, name, key.public_key(), now, now + lifetime)
    builder = _add_ca(builder, key.public_key(), key.public_key(), path_length=1)
    return Issuer(builder.sign(key, hashes.SHA256()), key)


def create_issuing_ca(
    root: Issuer, trust_domain: str, now: datetime, lifetime: timedelta
) -> Issuer:
    """A CA under `root` that signs end entities only, and URI names of `trust_domain` only."""
    key = generate_key()
    until = min(now + lifetime, root.certificate.not_valid_after_utc)
    name = _name(f"{trust_domain} issuing CA")
    builder = _builder(name, root.certificate.subject, key.public_key(), now, until)
    builder = _add_ca(builder, key.public_key(), root.key.public_key(), path_length=0)
    allowed = x509.NameConstraints([x509.UniformResourceIdentifier(trust_domain)], None)
    return Issuer(builder.add_extension(allowed, True).sign(root.key, hashes.SHA256()), key)


def create_leaf(
    issuer: Issuer,
    subject: Subject,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
    hosts: Sequence[str] = (),
) -> x509.Certificate:
    """A subject's certificate: for TLS servers when the role is gateway, else for TLS clients.

    `hosts` are the DNS names and IP addresses of a gateway. It never outlives its issuer.
    Raises ConfigError for a host that is neither.
    """
    until = min(now + lifetime, issuer.certificate.not_valid_after_utc)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(subject.uri)]
    names += [parse_host(host) for host in hosts]
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    if subject.role is Role.GATEWAY:
        usage = ExtendedKeyUsageOID.SERVER_AUTH
    name = _name(subject.name[:MAX_COMMON_NAME])
    builder = _builder(name, issuer.certificate.subject, public_key, now, until)
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(key_usage(digital_signature=True), True)
        .add_extension(x509.ExtendedKeyUsage([usage]), False)
        .add_extension(x509.SubjectAlternativeName(names), False)
    )
    builder = _add_key_ids(builder, public_key, issuer.key.public_key())
    return builder.sign(issuer.key, hashes.SHA256())


def create_crl(
    issuer: Issuer,
    revoked: Sequence[x509.RevokedCertificate],
    number: int,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateRevocationList:
    """A CRL of `issuer`; `number` rises with each, so that an older one can be told (5.2.3)."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - BACKDATE)
        .next_update(now + lifetime)
        .add_extension(x509.CRLNumber(number), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False
        )
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256())


def revoked_entry(serial: int, now: datetime) -> x509.RevokedCertificate:
    """One line of a CRL."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
    return builder.build()


def key_usage(
    digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    """A key usage extension of those three bits; the others are never ours."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def parse_host(host: str) -> x509.GeneralName:
    """An IP address or a DNS name as a SAN; raises ConfigError when it is neither."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if len(host) > 253 or not _HOST.fullmatch(host):
            raise ConfigError(
                f"{host[:80]!r} is neither an IP address nor a DNS name (write IDNs as xn--…)"
            ) from None
        return x509.DNSName(host)


def datetime_of(time_us: int) -> datetime:
    """A clock's microseconds as the aware datetime of whole seconds that X.509 can hold."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:MAX_COMMON_NAME])])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(until)
    )


def _add_ca(
    builder: x509.CertificateBuilder,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    path_length: int,
) -> x509.CertificateBuilder:
    usage = key_usage(key_cert_sign=True, crl_sign=True)
    builder = builder.add_extension(x509.BasicConstraints(True, path_length), True)
    return _add_key_ids(builder.add_extension(usage, True), public_key, issuer_key)


def _add_key_ids(
    builder: x509.CertificateBuilder,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    own = x509.SubjectKeyIdentifier.from_public_key(public_key)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return builder.add_extension(own, False).add_extension(above, False)
