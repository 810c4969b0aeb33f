"""The age program and the gateway's age key service open each other's files."""

from hashlib import sha256
from pathlib import Path

from gateway.clock import SystemClock
from gateway.identity.authority import AGE, create_domain
from gateway.sealed.age import AgeKeyService
from tests.interop.programs import part, run, said

KEY = bytes(range(32))
CONTEXT = b"a context"
BOUND = b"compliance-gateway/age-wrap/v1\n" + sha256(CONTEXT).digest() + KEY


def make_identity(path: Path) -> str:
    """Have age-keygen write an identity file; its recipient."""
    made = run(part("age-keygen"), "-o", path)
    assert made.returncode == 0, said(made)
    shown = run(part("age-keygen"), "-y", path)
    assert shown.returncode == 0, said(shown)
    return shown.stdout.decode().strip()


def test_age_opens_what_the_key_service_wrapped_for_an_identity_of_age_keygen(
    tmp_path: Path,
) -> None:
    make_identity(tmp_path / "identity.txt")
    wrapped = AgeKeyService.open(tmp_path / "identity.txt").wrap(KEY, CONTEXT)
    opened = run(part("age"), "-d", "-i", tmp_path / "identity.txt", stdin=wrapped)
    assert opened.returncode == 0, said(opened)
    assert opened.stdout == BOUND


def test_the_key_service_opens_what_age_encrypted(tmp_path: Path) -> None:
    recipient = make_identity(tmp_path / "identity.txt")
    sealed = run(part("age"), "-r", recipient, stdin=BOUND)
    assert sealed.returncode == 0, said(sealed)
    service = AgeKeyService.open(tmp_path / "identity.txt")
    assert service.unwrap(sealed.stdout, CONTEXT) == KEY


def test_another_identity_does_not_open_it(tmp_path: Path) -> None:
    make_identity(tmp_path / "identity.txt")
    make_identity(tmp_path / "other.txt")
    wrapped = AgeKeyService.open(tmp_path / "identity.txt").wrap(KEY, CONTEXT)
    refused = run(part("age"), "-d", "-i", tmp_path / "other.txt", stdin=wrapped)
    assert refused.returncode != 0
    assert b"no identity matched" in refused.stderr


def test_age_takes_the_identity_file_of_a_new_trust_domain(tmp_path: Path) -> None:
    domain = tmp_path / "keys"
    create_domain(domain, "demo.example", ("localhost",), SystemClock())
    wrapped = AgeKeyService.open(domain / AGE).wrap(KEY, CONTEXT)
    opened = run(part("age"), "-d", "-i", domain / AGE, stdin=wrapped)
    assert opened.returncode == 0, said(opened)
    assert opened.stdout == BOUND
