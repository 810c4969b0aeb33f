"""A trust domain in a temporary folder, fast, and certificates that must be refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.clock import Clock, ManualClock
from gateway.identity import authority, certificates
from gateway.identity.certificates import Issuer

TRUST_DOMAIN = "bank.test"
COLLECTOR = f"spiffe://{TRUST_DOMAIN}/collector/production/eu-west-1/collector-1"
GATEWAY = f"spiffe://{TRUST_DOMAIN}/gateway/gateway-1"
AUDITOR = f"spiffe://{TRUST_DOMAIN}/auditor/auditor-1"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Domain:
    """A development trust domain on disk."""

    folder: Path
    clock: Clock

    @property
    def ca(self) -> Path:
        return self.folder / authority.CA_BUNDLE

    @property
    def crl(self) -> Path:
        return self.folder / authority.CRL

    def files(self, uri: str) -> tuple[Path, Path]:
        """A subject's certificate chain and key."""
        return authority.subject_files(self.folder, uri, TRUST_DOMAIN)

    def der(self, uri: str = COLLECTOR) -> bytes:
        """A subject's certificate as the server sees it."""
        pem = self.files(uri)[0].read_bytes()
        return x509.load_pem_x509_certificates(pem)[0].public_bytes(Encoding.DER)

    def revoke(self, uri: str) -> None:
        authority.revoke(self.folder, self.files(uri)[0], self.clock)

    def issuer(self) -> Issuer:
        """The issuing CA, for certificates that `keys issue` would never make."""
        return authority.load_issuer(self.folder)


def make_domain(folder: Path, clock: Clock | None = None) -> Domain:
    """A domain with gateway-1, collector-1 and one of each person's role; about 10 ms."""
    clock = clock or ManualClock()
    authority.create_domain(folder, TRUST_DOMAIN, authority.DEFAULT_HOSTS, clock)
    return Domain(folder, clock)


@dataclass(frozen=True)
class Bogus:
    """A certificate to be refused, with its key."""

    certificate: x509.Certificate
    key_pem: bytes

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Certificate and key as PEM files."""
        certificate, key = folder / "bogus.pem", folder / "bogus.key"
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        key.write_bytes(self.key_pem)
        return certificate, key


def make_bogus(
    issuer: Issuer,
    clock: Clock,
    names: Sequence[x509.GeneralName] = (x509.UniformResourceIdentifier(COLLECTOR),),
    *,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
    usage: ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH,
    is_ca: bool = False,
    may_sign: bool = True,
) -> Bogus:
    """A certificate of `issuer` that is a good collector's but for what the arguments say;
    `begins` and `ends` are counted from the clock's now. No `names`: no SAN at all."""
    now = certificates.datetime_of(clock.now_us())
    key = certificates.generate_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bogus")]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(is_ca, None), True)
        .add_extension(certificates.key_usage(digital_signature=may_sign, crl_sign=True), True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False
        )
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Bogus(builder.sign(issuer.key, hashes.SHA256()), pem)
