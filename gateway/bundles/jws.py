"""JSON Web Signatures, compact, with ES256 and nothing else.

* RFC 7515 section 3.1 and 7.1: `BASE64URL(header) . BASE64URL(payload) . BASE64URL(signature)`, the
  signature over the first two parts with their dot (section 5.1, steps 5 and 8); base64url without
  padding (section 2).
* RFC 7518 section 3.4: ES256 is ECDSA over P-256 with SHA-256; the signature is R ‖ S, 32 bytes
  each, big-endian, and not DER.
* RFC 8725 section 3.1: the verifier says which algorithm it takes; the header's `alg` only has to
  agree. So `none` and `HS256` with the public key as its secret are never tried.
* RFC 7515 section 4.1.11: a header with `crit` must be refused by who does not know what it lists.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from gateway import canonical
from gateway.bundles.documents import parse_json
from gateway.errors import BundleError, ConfigError

ALGORITHM = "ES256"
_PLACE = ".signatures.json"
_INTEGER_BYTES = 32


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token taken apart. Nothing in it counts before `verify_token`."""

    header: dict[str, Any]
    payload: dict[str, Any]
    signed: bytes
    signature: bytes


def sign_token(payload: canonical.Value, keyid: str, key: ec.EllipticCurvePrivateKey) -> str:
    """The compact token of `payload`: the same text for the same input, since the nonce is that of
    RFC 6979. Raises ConfigError where the machine's OpenSSL (before 3.2) has none such."""
    header = canonical.encode({"alg": ALGORITHM, "kid": keyid, "typ": "JWT"})
    signed = _encode(header) + b"." + _encode(canonical.encode(payload))
    try:
        der = key.sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:
        raise ConfigError(
            "this machine's OpenSSL cannot sign reproducibly (RFC 6979): use 3.2 or newer"
        ) from None
    pair = decode_dss_signature(der)
    signature = b"".join(number.to_bytes(_INTEGER_BYTES, "big") for number in pair)
    return (signed + b"." + _encode(signature)).decode()


def split_token(token: str) -> UnverifiedToken:
    """Raises BundleError for what is no compact token, and for every algorithm but ES256."""
    parts = token.encode(errors="replace").split(b".")
    if len(parts) != 3:
        raise BundleError(f"{_PLACE}: the token does not have three parts; sign the bundle again")
    header, payload = (_object(_decode(part)) for part in parts[:2])
    if header.get("alg") != ALGORITHM:
        raise BundleError(f"{_PLACE}: signed with another algorithm; only {ALGORITHM} is taken")
    if "crit" in header or "b64" in header:
        raise BundleError(
            f"{_PLACE}: the token's header asks for extensions; only plain JWS is taken"
        )
    return UnverifiedToken(header, payload, parts[0] + b"." + parts[1], _decode(parts[2]))


def verify_token(token: UnverifiedToken, key: ec.EllipticCurvePublicKey) -> None:
    """Raises BundleError unless `key` signed the token."""
    signature = token.signature
    if len(signature) != 2 * _INTEGER_BYTES:
        raise BundleError(f"{_PLACE}: the signature does not have 64 bytes; sign the bundle again")
    pair = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        key.verify(encode_dss_signature(*pair), token.signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BundleError(
            f"{_PLACE}: the signature is not by the configured key, or what it signs was changed"
        ) from None


def _encode(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _decode(part: bytes) -> bytes:
    try:
        content = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        content = b""
    if _encode(content) != part:  # also other spellings of the same bytes
        raise BundleError(f"{_PLACE}: the token is not base64url; sign the bundle again")
    return content


def _object(content: bytes) -> dict[str, Any]:
    value = parse_json(_PLACE, content)
    if not isinstance(value, dict):
        raise BundleError(f"{_PLACE}: the token's parts must be JSON objects")
    return value
