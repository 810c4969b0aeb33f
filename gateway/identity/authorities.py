"""The CAs in force: a PEM bundle, each CA with its path up to a root of the same bundle."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from gateway.errors import ConfigError, IdentityError

MAX_PATH = 4


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA. `issuer` is None for a root; times are those of the whole path above and itself."""

    certificate: x509.Certificate
    issuer: "Authority | None"
    fingerprint: bytes
    serial: int
    name: str
    not_before_us: int
    not_after_us: int

    def verify_time(self, now_us: int) -> None:
        """Raises IdentityError when the CA or one above it is not valid at `now_us`."""
        if not self.not_before_us <= now_us < self.not_after_us:
            raise IdentityError(f"{self.name}, or a CA above it, has expired or is not valid yet")


def load_authorities(pem: bytes, path: Path) -> tuple[Authority, ...]:
    """The CAs of a bundle that lead to a self-signed root in it; `path` is for messages.

    Raises ConfigError for anything in it that is no CA or leads to no root: a bundle says exactly
    whom it trusts.
    """
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigError(f"{path} is no bundle of PEM certificates") from None
    for certificate in found:
        if not _is_ca(certificate):
            raise ConfigError(f"{path}: {_name(certificate)} is no CA: take it out of the bundle")
    waiting = [certificate for certificate in found if not _is_issued_by(certificate, certificate)]
    placed = [_place(c, None) for c in found if _is_issued_by(c, c)]
    for _ in range(MAX_PATH):
        for certificate in waiting.copy():
            issuer = next((a for a in placed if _may_issue(a, certificate)), None)
            if issuer is not None:
                placed.append(_place(certificate, issuer))
                waiting.remove(certificate)
    if waiting:
        raise ConfigError(
            f"{path}: {_name(waiting[0])} leads to no root of the bundle: add the root above it"
        )
    return tuple(placed)


def _place(certificate: x509.Certificate, issuer: Authority | None) -> Authority:
    not_before_us = int(certificate.not_valid_before_utc.timestamp()) * 1_000_000
    not_after_us = (int(certificate.not_valid_after_utc.timestamp()) + 1) * 1_000_000
    if issuer is not None:
        not_before_us = max(not_before_us, issuer.not_before_us)
        not_after_us = min(not_after_us, issuer.not_after_us)
    return Authority(
        certificate=certificate,
        issuer=issuer,
        fingerprint=certificate.fingerprint(hashes.SHA256()),
        serial=certificate.serial_number,
        name=_name(certificate),
        not_before_us=not_before_us,
        not_after_us=not_after_us,
    )


def _may_issue(authority: Authority, certificate: x509.Certificate) -> bool:
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    length = constraints.value.path_length
    return length != 0 and _is_issued_by(certificate, authority.certificate)


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return constraints.ca and usage.key_cert_sign


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()
