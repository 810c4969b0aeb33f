"""The development trust domain in a folder: made once, then subjects added and revoked.

All private keys lie in the one folder, owner-only; that is what makes it a *development* domain.
Who can read the folder is every subject in it. In production the root's key stays offline and the
issuing CA is the organisation's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.clock import Clock
from gateway.errors import ConfigError, IdentityError
from gateway.identity import certificates
from gateway.identity.certificates import Issuer
from gateway.identity.key_files import (
    NewFile,
    add_files,
    locked,
    read_file,
    replace_file,
    verify_absent,
    write_folder,
)
from gateway.identity.signing_keys import (
    create_age_file,
    create_bundle_key_files,
    create_note_key_files,
)
from gateway.identity.spiffe import (
    SCHEME,
    parse_subject,
    subject_of_certificate,
    verify_trust_domain,
)
from gateway.identity.subject import Role, Subject

ROOT = Path("root-ca")
ISSUING = Path("issuing-ca")
CA_BUNDLE = Path("ca.pem")
CRL = Path("crl.pem")
BUNDLE_KEY = Path("bundle.key")
AGE = Path("age.txt")
SUBJECTS = Path("subjects")

DEFAULT_HOSTS = ("localhost", "127.0.0.1")
ROOT_LIFETIME = timedelta(days=3650)
ISSUING_LIFETIME = timedelta(days=1825)
CRL_LIFETIME = timedelta(days=90)  # each issue and revoke signs a new one
SUBJECT_DAYS = 90
MAX_SUBJECT_DAYS = 825

_PEM = Encoding.PEM


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that was written and what it is for."""

    path: Path
    what: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """What `revoke` did. `uri` is empty when the certificate names no subject of the domain."""

    serial: int
    uri: str
    crl_number: int
    crl: Path


def subject_files(folder: Path, uri: str, trust_domain: str) -> tuple[Path, Path]:
    """Where a subject's certificate chain and key lie: `subjects/<path of the URI>.pem`, `.key`."""
    certificate, key = _subject_paths(parse_subject(uri, trust_domain))
    return folder / certificate, folder / key


def create_domain(
    folder: Path,
    trust_domain: str,
    hosts: Sequence[str],
    clock: Clock,
    *,
    region: str = "eu-west-1",
    environment: str = "production",
    origin: str | None = None,
    days: int = SUBJECT_DAYS,
) -> list[Listed]:
    """Make a whole trust domain in `folder`, which must not be there yet (or be empty).

    `hosts` are the gateway's DNS names and addresses; `origin` is the log's name, which its
    checkpoints carry (default `<trust-domain>/log`). Subjects: gateway-1, collector-1 and one of
    each person's role, valid for `days`. Raises ConfigError and IdentityError.
    """
    verify_trust_domain(trust_domain)
    _verify_days(days)
    verify_absent(folder)
    now = certificates.datetime_of(clock.now_us())
    root = certificates.create_root(trust_domain, now, ROOT_LIFETIME)
    issuing = certificates.create_issuing_ca(root, trust_domain, now, ISSUING_LIFETIME)
    crl = certificates.create_crl(issuing, (), 1, now, CRL_LIFETIME)
    files = [
        *_issuer_files(ROOT, root, "root CA: keep it offline in production"),
        *_issuer_files(ISSUING, issuing, "issuing CA: signs every subject and the CRL"),
        NewFile(
            CA_BUNDLE,
            "CA bundle: what both ends of a connection trust",
            _pem(issuing.certificate) + _pem(root.certificate),
        ),
        NewFile(CRL, "revoked certificates, signed by the issuing CA", crl.public_bytes(_PEM)),
        *create_note_key_files("checkpoint", "log checkpoints", origin or f"{trust_domain}/log"),
        *create_note_key_files("floor", "the never-filter floor", f"{trust_domain}/floor"),
        *create_bundle_key_files(BUNDLE_KEY),
        create_age_file(AGE, clock.now_us()),
    ]
    for path in _first_subjects(environment, region):
        subject = parse_subject(f"{SCHEME}{trust_domain}/{path}", trust_domain)
        files += _new_subject_files(issuing, subject, clock, days, hosts)
    write_folder(folder, files)
    return [Listed(folder / file.path, file.what) for file in files]


def issue(
    folder: Path,
    uri: str,
    days: int,
    clock: Clock,
    hosts: Sequence[str] = DEFAULT_HOSTS,
) -> list[Listed]:
    """Add a subject's key and certificate chain to the domain in `folder`, and renew its CRL.

    `hosts` count for a gateway only. Raises ConfigError and IdentityError.
    """
    _verify_days(days)
    with locked(folder):
        issuing = load_issuer(folder)
        subject = parse_subject(uri, trust_domain_of(issuing.certificate))
        files = _new_subject_files(issuing, subject, clock, days, hosts)
        add_files(folder, files)
        _renew_crl(folder, issuing, clock)
    return [Listed(folder / file.path, file.what) for file in files]


def revoke(folder: Path, certificate: Path, clock: Clock) -> Revocation:
    """Put a certificate (PEM, leaf first) on the domain's CRL; gateways see it within seconds.

    Raises IdentityError for a certificate that this domain did not issue or that is revoked
    already, ConfigError for files that cannot be used.
    """
    try:
        leaf = x509.load_pem_x509_certificates(read_file(certificate, "certificate"))[0]
    except ValueError:
        raise ConfigError(f"{certificate} holds no PEM certificate") from None
    with locked(folder):
        issuing = load_issuer(folder)
        try:
            leaf.verify_directly_issued_by(issuing.certificate)
        except (ValueError, TypeError, InvalidSignature):
            raise IdentityError(
                f"{certificate} was not issued by {folder / ISSUING}.pem, so it cannot revoke it"
            ) from None
        number = _renew_crl(folder, issuing, clock, leaf.serial_number)
    return Revocation(leaf.serial_number, _uri_of(leaf, issuing), number, folder / CRL)


def trust_domain_of(issuing: x509.Certificate) -> str:
    """The trust domain that an issuing CA of ours is constrained to; raises ConfigError."""
    try:
        extension = issuing.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        raise ConfigError(
            "the issuing CA has no name constraint: `keys init` made another"
        ) from None
    allowed = extension.value.permitted_subtrees or []
    domains = [name.value for name in allowed if isinstance(name, x509.UniformResourceIdentifier)]
    if len(domains) != 1:
        raise ConfigError("the issuing CA is not constrained to exactly one trust domain")
    return domains[0]


def load_issuer(folder: Path, stem: Path = ISSUING) -> Issuer:
    """The issuing CA of the domain in `folder` (or its root); raises ConfigError."""
    certificate_path, key_path = folder / f"{stem}.pem", folder / f"{stem}.key"
    certificate_pem = read_file(certificate_path, "CA's certificate")
    key_pem = read_file(key_path, "CA's key")
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError):
        raise ConfigError(f"{certificate_path} or its key is not PEM without a password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != (
        certificate.public_key()
    ):
        raise ConfigError(f"{key_path} is not the key of {certificate_path}")
    return Issuer(certificate, key)


def _uri_of(leaf: x509.Certificate, issuing: Issuer) -> str:
    try:
        return subject_of_certificate(leaf, trust_domain_of(issuing.certificate)).uri
    except IdentityError:
        return ""


def _first_subjects(environment: str, region: str) -> list[str]:
    people = (Role.AUTHOR, Role.APPROVER, Role.OPERATOR, Role.AUDITOR)
    return [
        f"{Role.GATEWAY}/gateway-1",
        f"{Role.COLLECTOR}/{environment}/{region}/collector-1",
        *(f"{role}/{role}-1" for role in people),
    ]


def _verify_days(days: int) -> None:
    if not 1 <= days <= MAX_SUBJECT_DAYS:
        raise ConfigError(f"a certificate lasts from 1 to {MAX_SUBJECT_DAYS} days, not {days}")


def _subject_paths(subject: Subject) -> tuple[Path, Path]:
    # The suffix is appended: `a` and `a.pem` are two subjects. Depth is fixed by the role, so that
    # a file never stands where another subject needs a folder.
    path = subject.uri[len(f"{SCHEME}{subject.trust_domain}/") :]
    return SUBJECTS / f"{path}.pem", SUBJECTS / f"{path}.key"


def _new_subject_files(
    issuing: Issuer, subject: Subject, clock: Clock, days: int, hosts: Sequence[str]
) -> list[NewFile]:
    now = certificates.datetime_of(clock.now_us())
    if subject.role is not Role.GATEWAY:
        hosts = ()
    key = certificates.generate_key()
    leaf = certificates.create_leaf(
        issuing, subject, key.public_key(), now, timedelta(days=days), hosts
    )
    certificate_path, key_path = _subject_paths(subject)
    until = f"until {leaf.not_valid_after_utc:%Y-%m-%d}"
    kind = "server" if subject.role is Role.GATEWAY else "client"
    return [
        NewFile(key_path, f"private key of {subject.uri}", _key_pem(key)),
        NewFile(
            certificate_path,
            f"{kind} certificate of {subject.uri}, {until}, with its issuing CA",
            _pem(leaf) + _pem(issuing.certificate),
        ),
    ]


def _renew_crl(folder: Path, issuing: Issuer, clock: Clock, serial: int | None = None) -> int:
    """Sign the CRL anew, with `serial` added; the CRL's number. The folder is locked."""
    path = folder / CRL
    try:
        old = x509.load_pem_x509_crl(read_file(path, "CRL"))
        number = old.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound):
        raise ConfigError(f"{path} is no CRL of ours: put the last good one back") from None
    if not _is_signed(old, issuing):
        raise ConfigError(f"{path} is not signed by the issuing CA: put the last good one back")
    now = certificates.datetime_of(clock.now_us())
    revoked = list(old)
    if serial is not None:
        if old.get_revoked_certificate_by_serial_number(serial) is not None:
            raise IdentityError(f"the certificate with serial {serial:x} is revoked already")
        revoked.append(certificates.revoked_entry(serial, now))
    crl = certificates.create_crl(issuing, revoked, number + 1, now, CRL_LIFETIME)
    replace_file(path, crl.public_bytes(_PEM))
    return number + 1


def _is_signed(crl: x509.CertificateRevocationList, issuing: Issuer) -> bool:
    return crl.issuer == issuing.certificate.subject and crl.is_signature_valid(
        issuing.key.public_key()
    )


def _issuer_files(path: Path, issuer: Issuer, what: str) -> list[NewFile]:
    return [
        NewFile(path.with_suffix(".key"), f"private key of the {what}", _key_pem(issuer.key)),
        NewFile(
            path.with_suffix(".pem"),
            f"certificate of the {what.split(':')[0]}",
            _pem(issuer.certificate),
        ),
    ]


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(_PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, PrivateFormat.PKCS8, NoEncryption())
