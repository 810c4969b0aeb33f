"""What every KeyService does, over age and the fake."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pyrage import x25519

from gateway.errors import KeyServiceError
from gateway.sealed.age import AgeKeyService
from gateway.sealed.port import KeyService
from tests.fakes.keys import MemoryKeyService

Make = Callable[[], KeyService]
KEY = os.urandom(32)


def _age() -> KeyService:
    return AgeKeyService([x25519.Identity.generate()])


@pytest.fixture(params=[_age, lambda: MemoryKeyService(os.urandom(8))], ids=["age", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    made: Make = request.param
    return made


def test_a_wrapped_key_comes_back_under_its_context(make: Make) -> None:
    service = make()
    assert service.unwrap(service.wrap(KEY, b"month/2026-01"), b"month/2026-01") == KEY
    assert service.health() is None
    assert service.name


def test_another_context_is_refused(make: Make) -> None:
    service = make()
    blob = service.wrap(KEY, b"month/2026-01")
    for context in (b"month/2026-02", b"", b"month/2026-01\x00"):
        with pytest.raises(KeyServiceError):
            service.unwrap(blob, context)


def test_anothers_key_is_refused(make: Make) -> None:
    blob = make().wrap(KEY, b"c")
    with pytest.raises(KeyServiceError):
        make().unwrap(blob, b"c")


def test_any_damage_is_refused(make: Make) -> None:
    service = make()
    blob = service.wrap(KEY, b"c")
    for damaged in (blob[:-1], b"", b"nonsense", blob[:-1] + bytes([blob[-1] ^ 1])):
        with pytest.raises(KeyServiceError):
            service.unwrap(damaged, b"c")
