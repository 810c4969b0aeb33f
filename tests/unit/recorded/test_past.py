"""Bundles, floors and exceptions of the past: made again, and never another one's."""

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import x25519

from gateway.bundles.archive import pack_archive
from gateway.bundles.sealed_data import unseal
from gateway.decisions.floor import Floor, FloorFile, floor_text, parse_rows
from gateway.decisions.verdict import Settled
from gateway.errors import BundleError, InputError
from gateway.recorded.bundles import stored_bundle
from gateway.recorded.floors import floor_of, unverified_floor_file
from gateway.recorded.protection import live_exceptions, protection_rank
from gateway.recorded.serving import ServingRecord
from gateway.sealed.age import AgeKeyService
from gateway.transparency.notes import Signer, sign_note
from gateway.wire.verdicts import Reason
from tests.fakes.bundles import revised, sign_raw
from tests.fakes.recorded import archive_of, bundle_files_of, bundle_of, service
from tests.fakes.sealed_bundle import KEYS as SEALED_KEYS
from tests.fakes.sealed_bundle import sealed_bundle

ROWS = [{"id": "b", "regex": "^b", "control": "C/1", "reason": "line\u2028here"}]
ROW = {"id": "a", "glob": "a-*", "control": "C/2", "reason": ""}


def signed_floor(version: int = 3) -> bytes:
    signer = Signer("example.org/floor", Ed25519PrivateKey.generate())
    return sign_note(floor_text("example.org", version, parse_rows(ROWS, "t")), [signer]).encode()


def test_a_stored_bundle_is_what_was_accepted() -> None:
    services = [service("payment-")]
    accepted = bundle_of(services, never_filter=[ROW])
    found = stored_bundle(accepted.hash, archive_of(bundle_files_of(services, never_filter=[ROW])))
    assert found == accepted


def test_another_bundle_under_the_hash_is_refused() -> None:
    archive = archive_of(bundle_files_of([service("other-")]))
    with pytest.raises(BundleError, match="is another one"):
        stored_bundle(bundle_of([service("payment-")]).hash, archive)
    with pytest.raises(BundleError):
        stored_bundle("a" * 64, b"no archive")


def test_a_floor_of_the_past_has_the_hash_it_had() -> None:
    file = FloorFile(3, parse_rows(ROWS, "t"))
    then = Floor(file, parse_rows([ROW], "t"), parse_rows(ROWS, "t"))
    serving = ServingRecord(1, "", "", signed_floor(), tuple(ROWS))
    bundle = bundle_of([service("payment-")], never_filter=[ROW])
    assert floor_of(serving, bundle).hash == then.hash
    assert floor_of(dataclasses.replace(serving, protections=()), bundle).hash != then.hash
    assert floor_of(dataclasses.replace(serving, floor_note=b""), bundle).hash != then.hash


def test_a_stored_bundle_says_that_its_sealed_data_is_shut_until_somebody_opens_it() -> None:
    accepted = sealed_bundle()
    archive = pack_archive(sign_raw(revised(accepted.files)))
    shut = stored_bundle(accepted.hash, archive)
    assert (shut.sealed, shut.unopened) == (None, ("sealed/pci/data.sops.yaml",))
    opened = stored_bundle(accepted.hash, archive, SEALED_KEYS)
    assert opened.unopened == ()
    assert opened.sealed == unseal(accepted, SEALED_KEYS).sealed
    serving = ServingRecord(1, "", "", b"")
    assert floor_of(serving, opened).hash != floor_of(serving, shut).hash
    with pytest.raises(BundleError, match="none of its 1 data keys opens"):
        stored_bundle(accepted.hash, archive, AgeKeyService([x25519.Identity.generate()]))


def test_the_empty_floor_is_none_and_noise_is_refused() -> None:
    assert unverified_floor_file(b"") is None
    assert unverified_floor_file(signed_floor(9)) == FloorFile(9, parse_rows(ROWS, "t"))
    for noise in (b"one line", b"a\nb\n[]", b"a\n1\n{}", b"\xff\n1\n[]"):
        with pytest.raises(BundleError):
            unverified_floor_file(noise)


def test_exceptions_are_read_as_they_were_granted() -> None:
    row = {
        "id": "c9",
        "rules": ["rules.services"],
        "pattern": {"glob": "game-*"},
        "environment": "",
        "region": "eu-west-1",
        "reason": "incident 7",
        "expires": "2026-01-03T00:00:00.000000Z",
    }
    [one] = live_exceptions([row]).granted
    assert (one.id, one.region, one.expires) == ("c9", "eu-west-1", row["expires"])
    assert one.pattern.matches("game-server")
    with pytest.raises(InputError):
        live_exceptions([{**row, "expires": "soon"}])
    with pytest.raises(InputError):
        live_exceptions([{**row, "pattern": {}}])


def settled(share: int, *levels: str, control: str = "C/1") -> Settled:
    reasons = tuple(Reason(control, "r", level, "m") for level in levels)  # type: ignore[arg-type]
    return Settled("sample", share, "overridden", reasons, (), 300)


def test_more_points_are_more_protection_and_then_the_stronger_reason() -> None:
    ordered = [
        settled(0, "advisory"),
        settled(0, "soft"),
        settled(500),
        settled(1000, "advisory"),
        settled(1000, "soft", "advisory"),
        settled(1000, "soft", "hard"),
    ]
    ranks = [protection_rank(one) for one in ordered]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_a_reason_that_an_exception_lifted_protects_nothing() -> None:
    lifted = settled(1000, "soft", control="EXCEPTION/c9")
    assert protection_rank(lifted) == protection_rank(settled(1000))
