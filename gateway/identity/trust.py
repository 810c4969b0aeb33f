"""Who is calling, asked anew at every request.

The handshake proved that the caller holds the certificate's key. Since then the certificate may
have expired, been revoked, or lost its CA, so each of these is checked at each call; only what
cannot change for the same bytes (parsing, signatures under the CAs in force) is remembered.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.clock import Clock
from gateway.errors import ConfigError, IdentityError
from gateway.identity.authorities import Authority, load_authorities
from gateway.identity.revocation import RevocationList, load_revocations
from gateway.identity.spiffe import subject_of_certificate, verify_trust_domain
from gateway.identity.subject import Subject
from gateway.identity.watched_file import WatchedFile

STAT_INTERVAL_NS = 1_000_000_000
MAX_REMEMBERED = 16_384


@dataclass(frozen=True, slots=True)
class _Known:
    """A certificate whose signature and shape were found good under the CAs in force. `path` has
    each serial number from the leaf up with the CA that gave it."""

    subject: Subject
    path: tuple[tuple[int, Authority], ...]
    issuer: Authority
    not_before_us: int
    not_after_us: int


class TrustStore:
    """Identifies client certificates of one trust domain. For one event loop: not thread-safe.

    `roots` is a PEM bundle of root *and* issuing CAs; `crl` a PEM file with a CRL of each issuing
    CA, or None where revocation is not in use. Both are read again when they change, looked at no
    more than once a second. A file that turns unusable fails closed: nobody is identified until it
    is mended, and `health` says why. To add a CA change the bundle first, then the CRL file; to
    take one out, the other way round: so nobody else is refused in between. Raises ConfigError
    when they cannot be used at the start.
    """

    def __init__(self, trust_domain: str, roots: Path, crl: Path | None, clock: Clock) -> None:
        verify_trust_domain(trust_domain)
        self._trust_domain = trust_domain
        self._clock = clock
        self._roots = WatchedFile(roots, "CA bundle")
        self._crl = WatchedFile(crl, "CRL") if crl is not None else None
        self._authorities: tuple[Authority, ...] = ()
        self._revocations: dict[bytes, RevocationList] = {}
        self._highest_numbers: dict[bytes, int] = {}
        self._known: dict[bytes, _Known] = {}
        self._problem: str | None = None
        self._looked_ns = clock.boottime_ns()
        self._reload()
        if self._problem is not None:
            raise ConfigError(self._problem)

    def identify(self, der: bytes) -> Subject:
        """The subject of a client certificate that may act now; raises IdentityError."""
        return self._verify(der).subject

    def not_after_us(self, der: bytes) -> int:
        """When the certificate or a CA above it ends, in microseconds since the epoch; a lease
        ends then at the latest. Raises IdentityError as `identify` does."""
        known = self._verify(der)
        return min(known.not_after_us, known.issuer.not_after_us)

    def health(self) -> str | None:
        """None when clients can be identified, else why not."""
        self._look()
        if self._problem is not None:
            return self._problem
        if self._crl is None:
            return None
        for authority in self._authorities:
            revocations = self._revocations.get(authority.fingerprint)
            if revocations is None and authority.issuer is not None:
                return f"{self._crl.path}: there is no CRL of {authority.name}: add it"
            problem = revocations.problem(self._clock.now_us()) if revocations else None
            if problem is not None:
                return problem
        return None

    def _verify(self, der: bytes) -> _Known:
        self._look()
        if self._problem is not None:
            raise IdentityError(f"nobody can be identified: {self._problem}")
        known = self._known.get(der)
        if known is None:
            known = self._examine(der)
            if len(self._known) >= MAX_REMEMBERED:
                del self._known[next(iter(self._known))]  # the oldest
            self._known[der] = known
        now_us = self._clock.now_us()
        self._verify_time(known, now_us)
        if self._crl is not None:
            self._verify_not_revoked(known, now_us)
        return known

    def _verify_time(self, known: _Known, now_us: int) -> None:
        if now_us < known.not_before_us:
            raise IdentityError(f"the certificate of {known.subject.uri} is not valid yet")
        if now_us >= known.not_after_us:
            raise IdentityError(f"the certificate of {known.subject.uri} has expired")
        known.issuer.verify_time(now_us)

    def _verify_not_revoked(self, known: _Known, now_us: int) -> None:
        for serial, issuer in known.path:
            revocations = self._revocations.get(issuer.fingerprint)
            if revocations is None:
                if issuer is known.issuer:
                    raise IdentityError(f"there is no CRL of {issuer.name}, which issued it")
                continue  # a root's CRL is optional; where there is one, it can revoke a CA
            problem = revocations.problem(now_us)
            if problem is not None:
                raise IdentityError(f"nobody can be identified: {problem}")
            if serial in revocations.serials:
                raise IdentityError(f"the certificate of {known.subject.uri} is revoked")

    def _examine(self, der: bytes) -> _Known:
        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError:
            raise IdentityError("the client certificate cannot be parsed") from None
        issuer = self._find_issuer(certificate)
        _verify_client(certificate)
        return _Known(
            subject=subject_of_certificate(certificate, self._trust_domain),
            path=_path_of(certificate.serial_number, issuer),
            issuer=issuer,
            not_before_us=int(certificate.not_valid_before_utc.timestamp()) * 1_000_000,
            # X.509 includes the last second.
            not_after_us=(int(certificate.not_valid_after_utc.timestamp()) + 1) * 1_000_000,
        )

    def _find_issuer(self, certificate: x509.Certificate) -> Authority:
        for authority in self._authorities:
            try:
                certificate.verify_directly_issued_by(authority.certificate)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return authority
        raise IdentityError("the client certificate was issued by no CA that is trusted now")

    def _look(self) -> None:
        now_ns = self._clock.boottime_ns()
        if now_ns - self._looked_ns < STAT_INTERVAL_NS:
            return
        self._looked_ns = now_ns
        changed = self._roots.is_changed() or (self._crl is not None and self._crl.is_changed())
        if changed or self._problem is not None:
            self._reload()

    def _reload(self) -> None:
        self._known.clear()
        try:
            self._authorities = load_authorities(self._roots.read(), self._roots.path)
            if self._crl is not None:
                self._revocations = load_revocations(
                    self._crl.read(), self._crl.path, self._authorities, self._highest_numbers
                )
        except ConfigError as error:
            self._problem = str(error)
        else:
            self._problem = None


def _path_of(serial: int, issuer: Authority) -> tuple[tuple[int, Authority], ...]:
    path = [(serial, issuer)]
    while issuer.issuer is not None:
        path.append((issuer.serial, issuer.issuer))
        issuer = issuer.issuer
    return tuple(path)


def _verify_client(certificate: x509.Certificate) -> None:
    """Raises IdentityError unless the certificate is an end entity's for TLS clients."""
    try:
        extensions = certificate.extensions
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise IdentityError(
            "the certificate lacks key usage, extended key usage or basic constraints"
        ) from None
    except (ValueError, x509.DuplicateExtension):
        raise IdentityError("the certificate's extensions cannot be read") from None
    if constraints.ca or not key_usage.digital_signature:
        raise IdentityError("the certificate is a CA's or may not sign, so it is no subject's")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        raise IdentityError("the certificate is not for TLS clients")
