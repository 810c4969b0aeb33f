"""Tokens are ES256 or nothing."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.bundles.jws import sign_token, split_token, verify_token
from gateway.errors import BundleError
from tests.fakes.bundles import AUTHOR_KEY, OTHER_KEY

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

# RFC 7515 appendix A.3.
RFC_KEY = ec.EllipticCurvePublicNumbers(
    int.from_bytes(base64.urlsafe_b64decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=")),
    int.from_bytes(base64.urlsafe_b64decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0=")),
    ec.SECP256R1(),
).public_key()
RFC_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_the_token_of_the_rfc_verifies() -> None:
    token = split_token(RFC_TOKEN)
    verify_token(token, RFC_KEY)
    assert token.payload["iss"] == "joe"


def test_a_token_is_the_same_each_time_and_verifies_under_its_key_alone() -> None:
    token = sign_token({"a": 1}, "author", AUTHOR_KEY)
    assert token == sign_token({"a": 1}, "author", AUTHOR_KEY)
    taken = split_token(token)
    assert (taken.header["kid"], taken.payload) == ("author", {"a": 1})
    verify_token(taken, AUTHOR_KEY.public_key())
    with pytest.raises(BundleError, match="not by the configured key"):
        verify_token(taken, OTHER_KEY.public_key())


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "ES384", "RS256", "es256", None, 1])
def test_no_other_algorithm_is_taken(algorithm: object) -> None:
    """Not even one that verifies: HS256 with the public key as its secret."""
    header = part(json.dumps({"alg": algorithm}).encode())
    signed = f"{header}.{part(b'{}')}"
    secret = AUTHOR_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(secret, signed.encode(), hashlib.sha256)
    for end in (part(signature), ""):
        with pytest.raises(BundleError, match="only ES256 is taken"):
            split_token(f"{signed}.{end}")


@pytest.mark.parametrize("header", [{"crit": ["b64"]}, {"b64": False}, {"crit": []}])
def test_extensions_are_refused(header: dict[str, object]) -> None:
    text = part(json.dumps({"alg": "ES256", **header}).encode())
    with pytest.raises(BundleError, match="only plain JWS"):
        split_token(f"{text}.{part(b'{}')}.AAAA")


def test_only_64_bytes_are_a_signature() -> None:
    start = RFC_TOKEN.rpartition(".")[0]
    for signature in (b"", b"\0" * 63, b"\0" * 65, b"0E\x02\x01"):
        with pytest.raises(BundleError, match="64 bytes"):
            verify_token(split_token(f"{start}.{part(signature)}"), RFC_KEY)


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (P256_ORDER, P256_ORDER), (2**256 - 1, 2**256 - 1)]
)
def test_numbers_out_of_range_are_no_signature(r: int, s: int) -> None:
    start = RFC_TOKEN.rpartition(".")[0]
    signature = part(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    with pytest.raises(BundleError, match="not by the configured key"):
        verify_token(split_token(f"{start}.{signature}"), RFC_KEY)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        RFC_TOKEN + "=",
        RFC_TOKEN[:-1] + "V",  # the same 64 bytes, spelled with other spare bits
        RFC_TOKEN.replace("-", "+", 1),
        RFC_TOKEN.replace("eyJ", "e yJ", 1),
        RFC_TOKEN + "\n",
        "\ud800" + RFC_TOKEN,
        f"{part(b'[]')}.{part(b'{}')}.AAAA",
        f"{part(b'{')}.{part(b'{}')}.AAAA",
        "{}.{}.AAAA".format(part(b'{"alg": "none", "alg": "ES256"}'), part(b"{}")),
    ],
)
def test_other_spellings_are_refused(token: str) -> None:
    with pytest.raises(BundleError, match=r"\.signatures\.json"):
        split_token(token)
