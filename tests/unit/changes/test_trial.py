import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.bundles.archive import pack_archive
from gateway.bundles.keys import BundleKey
from gateway.bundles.signed import open_bundle
from gateway.changes.examination import TrialOutcome
from gateway.changes.state import Change, Kind, Stage
from gateway.changes.trial import HELD, BundleTrial
from gateway.errors import ConfigError
from tests.fakes.bundles import KEYS, bundle_files, real_opa, revised, sign_raw
from tests.fakes.changes import ANN, MemoryStore, whole_files

CAPABILITIES = Path(__file__).parents[3] / "policies" / "capabilities.json"


def files_of(**changed: bytes) -> dict[str, bytes]:
    return {**whole_files(2), "capabilities.json": CAPABILITIES.read_bytes(), **changed}


def archive_of(files: Mapping[str, bytes]) -> bytes:
    return pack_archive(sign_raw(revised(files)))


def change_of(archive: bytes, **subject: Any) -> Change:
    """As it was staged, when both keys were configured."""
    signed = open_bundle(archive, KEYS)
    bundle = signed.bundle
    named = {
        "bundle": bundle.hash,
        "revision": bundle.revision,
        "signer": signed.key_fingerprint,
        "version": bundle.version,
        **subject,
    }
    return Change("c2", Kind.BUNDLE, ANN.uri, ANN.key, named, "a new rule", 0, Stage.STAGED)


def attempt(
    archive: bytes | None,
    change: Change,
    keys: tuple[BundleKey, ...] = KEYS,
    opa: Path | None = None,
) -> TrialOutcome:
    store = MemoryStore()
    if archive is not None:
        store.put(change.subject["bundle"], archive)
    return asyncio.run(
        BundleTrial(store, partial(open_bundle, keys=keys), opa or real_opa())(change)
    )


@pytest.mark.opa
def test_a_good_bundle_passes() -> None:
    archive = archive_of(files_of())
    assert attempt(archive, change_of(archive)) == TrialOutcome(True, HELD)


@pytest.mark.opa
def test_failing_tests_of_its_own_refuse_it() -> None:
    test = b"package main.main_test\n\ntest_never if 1 == 2\n"
    archive = archive_of({**files_of(), "main/main_test.rego": test})
    outcome = attempt(archive, change_of(archive))
    assert not outcome.passed
    assert "data.main.main_test.test_never" in outcome.detail


@pytest.mark.opa
def test_a_key_that_is_configured_no_more_refuses_it() -> None:
    archive = archive_of(files_of())
    outcome = attempt(archive, change_of(archive), KEYS[1:])
    assert not outcome.passed
    assert "author" in outcome.detail


@pytest.mark.parametrize(
    ("place", "before", "after", "reason"),
    [
        ("data/data.yaml", b"service.name]", b"service.namespace]", "must declare service.name"),
        ("data/data.yaml", b'"payment-*"', b'"payment-[*"', "pci-payments"),
        ("data/data.yaml", b"America/New_York", b"America/Nowhere", "Nowhere"),
    ],
)
def test_what_the_gateway_could_not_serve_by_refuses_it(
    place: str, before: bytes, after: bytes, reason: str
) -> None:
    files = files_of()
    assert before in files[place]
    files[place] = files[place].replace(before, after)
    archive = archive_of(files)
    outcome = attempt(archive, change_of(archive))
    assert not outcome.passed
    assert reason in outcome.detail


@pytest.mark.parametrize("named", [{"version": 3}, {"revision": "2-00"}, {"signer": "00" * 32}])
def test_a_change_that_names_another_bundle_than_the_stored_is_refused(
    named: dict[str, Any],
) -> None:
    archive = archive_of(files_of())
    outcome = attempt(archive, change_of(archive, **named))
    assert not outcome.passed
    assert "what is stored is not what c2 names" in outcome.detail


def test_a_bundle_that_is_not_in_the_store_is_refused() -> None:
    change = change_of(archive_of(files_of()))
    assert attempt(None, change) == TrialOutcome(
        False, "the bundle is not in the store; stage it again"
    )


def test_without_an_opa_nothing_is_refused() -> None:
    archive = archive_of(bundle_files())
    with pytest.raises(ConfigError, match="there is no OPA"):
        attempt(archive, change_of(archive), opa=Path("/nonexistent/opa"))
