"""Keys for bundles are P-256 in PEM, named by their fingerprint."""

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.bundles.keys import keyid_of, read_private_key, read_public_key
from gateway.errors import ConfigError
from gateway.identity.signing_keys import create_bundle_key_files
from tests.fakes.bundles import AUTHOR_KEY

PEM, PKCS8, SPKI = Encoding.PEM, PrivateFormat.PKCS8, PublicFormat.SubjectPublicKeyInfo
P384 = ec.derive_private_key(1, ec.SECP384R1())
ED25519 = Ed25519PrivateKey.from_private_bytes(b"1" * 32)


def test_what_is_made_is_read(tmp_path: Path) -> None:
    for file in create_bundle_key_files(Path("author.pem")):
        (tmp_path / file.path).write_bytes(file.content)
    private = read_private_key(tmp_path / "author.pem")
    public = read_public_key(tmp_path / "author.pub")
    assert public.public_key == private.public_key()
    assert public.keyid == public.fingerprint[:16] == keyid_of(private.public_key())
    assert read_public_key(tmp_path / "author.pub", "ada").keyid == "ada"


def test_a_fingerprint_is_of_the_public_key_info() -> None:
    der = AUTHOR_KEY.public_key().public_bytes(Encoding.DER, SPKI)
    assert keyid_of(AUTHOR_KEY.public_key()) == hashlib.sha256(der).hexdigest()[:16]


def test_the_public_key_gets_a_place_of_its_own() -> None:
    with pytest.raises(ConfigError, match="choose another"):
        create_bundle_key_files(Path("author.pub"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no public key"),
        (AUTHOR_KEY.private_bytes(PEM, PKCS8, NoEncryption()), "no public key"),
        (P384.public_key().public_bytes(PEM, SPKI), "P-256"),
        (ED25519.public_key().public_bytes(PEM, SPKI), "P-256"),
    ],
)
def test_other_public_keys_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_public_key(tmp_path / "key")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no private key"),
        (AUTHOR_KEY.public_key().public_bytes(PEM, SPKI), "no private key"),
        (AUTHOR_KEY.private_bytes(PEM, PKCS8, BestAvailableEncryption(b"a")), "without a password"),
        (P384.private_bytes(PEM, PKCS8, NoEncryption()), "P-256"),
        (ED25519.private_bytes(PEM, PKCS8, NoEncryption()), "P-256"),
    ],
)
def test_other_private_keys_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as refused:
        read_private_key(tmp_path / "key")
    assert "BEGIN" not in str(refused.value)


def test_an_absent_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent: cannot read the key.*bundle-key"):
        read_public_key(tmp_path / "absent")
