"""AES-256-GCM envelopes: nonce[12] ‖ ciphertext ‖ tag[16], bound to a context.

A random 96-bit nonce is safe for 2^32 envelopes a key (NIST SP 800-38D section 8.3); payload keys
seal one envelope, month keys one for each payload of the month.
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import KeyServiceError
from gateway.sealed.port import DATA_KEY_BYTES

NONCE_BYTES = 12
_TAG_BYTES = 16


class EnvelopeError(KeyServiceError):
    """The envelope does not open under this key and context."""


def seal(key: bytes, plaintext: bytes, context: bytes, random: Callable[[int], bytes]) -> bytes:
    """Seal `plaintext` under a 32-byte key; `context` is authenticated, not stored; `random`
    gives that many fresh unpredictable bytes."""
    nonce = random(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plaintext, context)


def unseal(key: bytes, envelope: bytes, context: bytes) -> bytes:
    """The inverse of `seal`; raises EnvelopeError when key, context or bytes differ."""
    if len(envelope) < NONCE_BYTES + _TAG_BYTES:
        raise EnvelopeError(f"an envelope of {len(envelope)} bytes is cut short")
    try:
        return _cipher(key).decrypt(envelope[:NONCE_BYTES], envelope[NONCE_BYTES:], context)
    except InvalidTag:
        raise EnvelopeError(
            "the envelope does not open: other key, other context or damage"
        ) from None


def _cipher(key: bytes) -> AESGCM:
    if len(key) != DATA_KEY_BYTES:  # AESGCM takes shorter ones, for AES-128
        raise EnvelopeError(f"a key of {len(key)} bytes; AES-256 takes {DATA_KEY_BYTES}")
    return AESGCM(key)
