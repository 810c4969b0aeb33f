"""From URI and certificate to subject (docs/formats.md section 1, SPIFFE-ID, X509-SVID).

A subject is what exactly these bytes say. Nothing is folded, decoded or trimmed first, so that two
spellings can never be one subject, nor one spelling two.
"""

import re

from cryptography import x509

from gateway.errors import IdentityError
from gateway.identity.subject import Role, Subject

SCHEME = "spiffe://"
MAX_URI_BYTES = 2048  # SPIFFE-ID section 2.3
MAX_TRUST_DOMAIN_BYTES = 255  # SPIFFE-ID section 2.1
COLLECTOR_SEGMENTS = 4
NAMED_SEGMENTS = 2

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
# Stricter than SPIFFE, which allows dots anywhere: a trailing dot would be another spelling of the
# same DNS name to the name constraint of the issuing CA.
_TRUST_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)


def verify_trust_domain(trust_domain: str) -> None:
    """Raises IdentityError unless `trust_domain` is a lower-case trust domain name."""
    if len(trust_domain) > MAX_TRUST_DOMAIN_BYTES or not _TRUST_DOMAIN.fullmatch(trust_domain):
        raise IdentityError(
            f"{trust_domain[:80]!r} is no trust domain: use lower-case letters, digits, '-', '_' "
            f"and single dots, at most {MAX_TRUST_DOMAIN_BYTES}"
        )


def parse_subject(uri: str, trust_domain: str) -> Subject:
    """The subject that `uri` names in `trust_domain`; raises IdentityError for any other URI."""
    if len(uri) > MAX_URI_BYTES:
        raise IdentityError(f"the subject's URI is longer than {MAX_URI_BYTES} bytes")
    prefix = f"{SCHEME}{trust_domain}/"
    if not uri.startswith(prefix):
        raise IdentityError(f"{_shown(uri)} is not of the trust domain {trust_domain}")
    segments = uri[len(prefix) :].split("/")
    if not all(map(_is_segment, segments)):
        raise IdentityError(
            f"{_shown(uri)} has a path segment that is empty, '.', '..' or not of [A-Za-z0-9._-]"
        )
    role = _parse_role(segments[0], uri)
    wanted = COLLECTOR_SEGMENTS if role is Role.COLLECTOR else NAMED_SEGMENTS
    if len(segments) != wanted:
        raise IdentityError(
            f"{_shown(uri)} has {len(segments)} path segments; the role {role} has {wanted}"
        )
    if role is Role.COLLECTOR:
        _, environment, region, name = segments
        return Subject(uri, trust_domain, role, name, environment, region)
    return Subject(uri, trust_domain, role, segments[1])


def subject_of_certificate(certificate: x509.Certificate, trust_domain: str) -> Subject:
    """The subject of a certificate with exactly one URI SAN (X509-SVID section 2).

    Who issued it and until when is not looked at here: see `gateway.identity.trust`.
    Raises IdentityError.
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        uris = extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        raise IdentityError("the certificate has no subject alternative name") from None
    except (ValueError, x509.DuplicateExtension):
        raise IdentityError("the certificate's extensions cannot be read") from None
    if len(uris) != 1:
        raise IdentityError(f"the certificate has {len(uris)} URI names; exactly one is wanted")
    return parse_subject(uris[0], trust_domain)


def _is_segment(segment: str) -> bool:
    return segment not in (".", "..") and _SEGMENT.fullmatch(segment) is not None


def _parse_role(text: str, uri: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise IdentityError(f"{_shown(uri)} names no role that there is") from None


def _shown(uri: str) -> str:
    return repr(uri[:120])
