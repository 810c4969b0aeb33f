"""Certificate revocation lists, parsed and signature-checked by us (RFC 5280 section 5)."""

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from gateway.clock import format_time
from gateway.errors import ConfigError
from gateway.identity.authorities import Authority

_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One CA's CRL whose signature holds. Times in microseconds since the epoch."""

    path: Path
    issuer_name: str
    serials: frozenset[int]
    last_update_us: int
    next_update_us: int

    def problem(self, now_us: int) -> str | None:
        """None when the list can be relied on at `now_us`, else a sentence."""
        if now_us >= self.next_update_us:
            return (
                f"{self.path}: the CRL of {self.issuer_name} expired at "
                f"{format_time(self.next_update_us)}: sign a new one"
            )
        if now_us < self.last_update_us:
            return f"{self.path}: the CRL of {self.issuer_name} is not valid yet: check the clock"
        return None


def load_revocations(
    pem: bytes,
    path: Path,
    authorities: Sequence[Authority],
    highest_numbers: MutableMapping[bytes, int],
) -> dict[bytes, RevocationList]:
    """The CRLs of a PEM file, by the fingerprint of the CA that signed each.

    `highest_numbers` holds the highest CRL number seen for each CA and is raised: a list with a
    lower one would un-revoke. Raises ConfigError for a list that no CA in force signed, that is
    partial (any critical extension), or when there is none.
    """
    lists: dict[bytes, RevocationList] = {}
    numbers: dict[bytes, int] = {}
    for block in _BLOCK.findall(pem):
        crl, number = _parse(block, path)
        authority = next((a for a in authorities if _is_signed_by(crl, a)), None)
        if authority is None:
            raise ConfigError(f"{path}: a CRL is not signed by any CA of the CA bundle")
        if authority.fingerprint in lists:
            raise ConfigError(f"{path}: two CRLs of {authority.name}: keep the newest alone")
        if number < highest_numbers.get(authority.fingerprint, 0):
            raise ConfigError(
                f"{path}: CRL number {number} of {authority.name} is older than one seen before"
            )
        numbers[authority.fingerprint] = number
        lists[authority.fingerprint] = _list_of(crl, path, authority)
    if not lists:
        raise ConfigError(f"{path} holds no PEM CRL")
    highest_numbers.update(numbers)
    return lists


def _parse(block: bytes, path: Path) -> tuple[x509.CertificateRevocationList, int]:
    try:
        crl = x509.load_pem_x509_crl(block)
        if any(extension.critical for extension in crl.extensions):
            raise ConfigError(f"{path}: a delta, partial or indirect CRL: give the full one")
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        raise ConfigError(f"{path}: a CRL without a number (RFC 5280 section 5.2.3)") from None
    except (ValueError, x509.DuplicateExtension):
        raise ConfigError(f"{path}: a CRL that cannot be parsed") from None
    return crl, number


def _is_signed_by(crl: x509.CertificateRevocationList, authority: Authority) -> bool:
    if crl.issuer != authority.certificate.subject:
        return False
    try:
        usage = authority.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        key = authority.certificate.public_key()
        return usage.crl_sign and crl.is_signature_valid(key)  # type: ignore[arg-type]
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False


def _list_of(
    crl: x509.CertificateRevocationList, path: Path, authority: Authority
) -> RevocationList:
    next_update = crl.next_update_utc
    if next_update is None:
        raise ConfigError(f"{path}: a CRL that does not say when the next one comes")
    return RevocationList(
        path=path,
        issuer_name=authority.name,
        serials=frozenset(entry.serial_number for entry in crl),
        last_update_us=int(crl.last_update_utc.timestamp()) * 1_000_000,
        next_update_us=int(next_update.timestamp()) * 1_000_000,
    )
