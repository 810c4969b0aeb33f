"""Envelopes: what seals opens, and nothing else does."""

import os

import pytest

from gateway.errors import KeyServiceError
from gateway.sealed.envelope import EnvelopeError, seal, unseal

KEY = bytes(range(32))


def test_an_envelope_opens_under_its_key_and_context() -> None:
    envelope = seal(KEY, b"secret", b"context", os.urandom)
    assert unseal(KEY, envelope, b"context") == b"secret"
    assert b"secret" not in envelope


def test_the_bytes_are_aes_256_gcm_with_the_nonce_in_front() -> None:
    # NIST GCM test case 14 (McGrew and Viega): key, nonce and plaintext all zero.
    envelope = seal(bytes(32), bytes(16), b"", lambda count: bytes(count))
    assert envelope[:12] == bytes(12)
    assert envelope[12:28].hex() == "cea7403d4d606b6e074ec5d3baf39d18"
    assert envelope[28:].hex() == "d0d1c8a799996bf0265b98b5d48ab919"


def test_two_envelopes_of_one_text_differ() -> None:
    assert seal(KEY, b"x", b"", os.urandom) != seal(KEY, b"x", b"", os.urandom)


@pytest.mark.parametrize("position", [0, 11, 12, 20, -1])
def test_any_changed_byte_is_refused(position: int) -> None:
    envelope = bytearray(seal(KEY, b"some secret", b"context", os.urandom))
    envelope[position] ^= 1
    with pytest.raises(EnvelopeError):
        unseal(KEY, bytes(envelope), b"context")


def test_another_key_context_or_length_is_refused() -> None:
    envelope = seal(KEY, b"secret", b"context", os.urandom)
    with pytest.raises(EnvelopeError):
        unseal(bytes(32), envelope, b"context")
    with pytest.raises(EnvelopeError):
        unseal(KEY, envelope, b"contex")
    with pytest.raises(EnvelopeError, match="cut short"):
        unseal(KEY, envelope[:20], b"context")


def test_a_shorter_key_is_refused_and_not_taken_for_aes_128() -> None:
    with pytest.raises(KeyServiceError, match="16 bytes"):
        seal(bytes(16), b"secret", b"", os.urandom)
