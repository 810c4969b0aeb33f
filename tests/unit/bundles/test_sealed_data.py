"""Sealed data opens in memory into a second bundle and floor rows, and says nothing of itself."""

import json
from typing import Any

import pytest
from pyrage import x25519

from gateway.bundles.archive import read_archive
from gateway.bundles.folder import Bundle, parse_bundle
from gateway.bundles.sealed_data import (
    offered_sealed,
    open_sealed,
    sealed_files,
    sealed_revision,
    unseal,
    verify_unsealed,
)
from gateway.decisions.floor import Floor, parse_rows, parse_sealed_rows, rows_of
from gateway.errors import BundleError
from gateway.sealed.age import AgeKeyService
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, project
from tests.fakes.bundles import bundle_files, small_bundle
from tests.fakes.sops import IDENTITY, seal_sops

KEYS = AgeKeyService([IDENTITY])
PATH = "sealed/pci/data.sops.yaml"
SECRET = "zephyr-ledger"
ROW = {"id": "row-1", "glob": f"{SECRET}-*", "control": "SECRET/1", "reason": f"the {SECRET}"}
DECLARATION = ClassDeclaration(("process.executable.name",), (500, 1000))


def sealed_bundle(value: dict[str, Any] | None = None, path: str = PATH) -> Bundle:
    content = seal_sops({"never_filter": [ROW]} if value is None else value)
    return parse_bundle(bundle_files() | {path: content})


def drop(name: str) -> ProcessClass:
    sender = Sender("production", "eu-west-1", "central")
    return project(DECLARATION, sender, {"process.executable.name": name}, "drop")


def test_it_is_a_second_bundle_with_its_own_root_and_revision() -> None:
    bundle = sealed_bundle({"never_filter": [ROW], "limits": {"share": 0.5, "n": 7}})
    sealed = open_sealed(bundle, KEYS)
    assert sealed is not None
    files = read_archive(sealed.archive)
    assert json.loads(files.pop(".manifest")) == {"revision": sealed.revision, "roots": ["sealed"]}
    assert list(files) == ["sealed/pci/data.json"]
    assert json.loads(files["sealed/pci/data.json"]) == {
        "limits": {"n": 7, "share": 0.5},
        "never_filter": [ROW],
    }
    assert sealed.revision.startswith(f"{bundle.revision}.sealed.")
    assert len(sealed.revision) == len(f"{bundle.revision}.sealed.") + 16


def test_the_policies_archive_has_nothing_of_it() -> None:
    bundle = unseal(sealed_bundle(), KEYS)
    assert bundle.sealed is not None
    assert not any("sealed" in path for path in read_archive(bundle.archive))
    assert bundle.never_filter == small_bundle().never_filter


def test_the_revision_follows_from_the_sealed_bytes() -> None:
    one, other = sealed_bundle(), sealed_bundle()  # sealed twice: other bytes
    found = {sealed_revision("1-00", sealed_files(bundle)) for bundle in (one, one, other)}
    assert len(found) == 2
    assert sealed_revision("1-00", {"a": b"b"}) != sealed_revision("1-00", {"b": b"b"})


def test_a_bundle_without_sealed_data_is_as_it_was() -> None:
    bundle = small_bundle()
    assert open_sealed(bundle, KEYS) is None
    assert unseal(bundle, KEYS) is bundle
    verify_unsealed(bundle)


def test_a_bundle_whose_sealed_data_nobody_opened_is_not_served() -> None:
    with pytest.raises(BundleError, match=f"{PATH}: sealed data that nothing has opened"):
        verify_unsealed(sealed_bundle())
    verify_unsealed(unseal(sealed_bundle(), KEYS))


def test_opa_servers_are_offered_an_empty_one_beside_a_bundle_without_sealed_data() -> None:
    bundle = small_bundle()
    offered = offered_sealed(bundle)
    assert list(read_archive(offered.archive)) == [".manifest"]
    assert offered.revision.startswith(f"{bundle.revision}.sealed.")
    assert offered.rows == ()
    opened = unseal(sealed_bundle(), KEYS)
    assert offered_sealed(opened) is opened.sealed
    with pytest.raises(BundleError, match="nothing has opened"):
        offered_sealed(sealed_bundle())


def test_rows_are_found_at_every_depth() -> None:
    """`data.data` has one depth; a list that is silently left out would protect nothing."""
    deep = {"a": {"b": [{"never_filter": [ROW]}]}, "never_filter": [{**ROW, "id": "row-2"}]}
    sealed = open_sealed(sealed_bundle(deep, "sealed/data.sops.yaml"), KEYS)
    assert sealed is not None
    assert [(one.row["id"], one.place) for one in sealed.rows] == [
        ("row-1", "sealed/data.sops.yaml: a.b[0].never_filter[0]"),
        ("row-2", "sealed/data.sops.yaml: never_filter[0]"),
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"never_filter": SECRET}, "never_filter: must be a list of objects"),
        ({"never_filter": [SECRET]}, "never_filter: must be a list of objects"),
        ({"x": {"never_filter": {"glob": SECRET}}}, "x.never_filter: must be a list of objects"),
    ],
)
def test_rows_that_are_none_are_refused(value: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=f"^{PATH}: {message}") as refused:
        open_sealed(sealed_bundle(value), KEYS)
    assert SECRET not in str(refused.value)


def test_two_files_may_not_say_the_same() -> None:
    files = {
        PATH: seal_sops({"x": SECRET}),
        "sealed/data.sops.yaml": seal_sops({"pci": {"x": SECRET}}),
    }
    with pytest.raises(BundleError, match="another data file gives 'x'") as refused:
        open_sealed(parse_bundle(bundle_files() | files), KEYS)
    assert SECRET not in str(refused.value)


def test_what_does_not_open_is_refused_with_file_and_path() -> None:
    with pytest.raises(BundleError, match=f"^{PATH}: sops.age: none of its 1 data keys"):
        open_sealed(sealed_bundle(), AgeKeyService([x25519.Identity.generate()]))
    # Still spelled as SOPS does, so the border lets it pass; it is damaged all the same.
    text = seal_sops({"never_filter": [ROW]}).decode()
    at = text.index("data:") + 5
    changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
    bundle = parse_bundle(bundle_files() | {PATH: changed.encode()})
    with pytest.raises(BundleError, match=rf"^{PATH}: never_filter\[0\]\.id: does not open"):
        open_sealed(bundle, KEYS)


def test_a_sealed_row_protects_and_shows_its_id_alone() -> None:
    floor = Floor(None, rows_of(unseal(sealed_bundle(), KEYS)))
    assert floor.finding(drop("payment-gateway-1")) is not None  # the bundle's open row
    for name in (f"{SECRET}-7", "zephyr-ledger-1"[:15]):
        reason = floor.finding(drop(name))
        assert reason is not None
        assert (reason.rule, reason.control, reason.level) == ("floor.row-1", "FLOOR", "hard")
        assert reason.message == "a sealed row of the floor protects this process"
    assert floor.finding(drop("log-shipper")) is None


def test_nothing_of_a_sealed_row_is_in_what_is_printed() -> None:
    bundle = unseal(sealed_bundle(), KEYS)
    assert bundle.sealed is not None
    rows = parse_sealed_rows(bundle.sealed.rows)
    shown = f"{bundle.sealed} {bundle.sealed.rows} {rows} {[row.record() for row in rows]}"
    assert SECRET not in shown
    assert "row-1" in shown


@pytest.mark.parametrize(
    "row",
    [
        {"id": "bad", "regex": f"({SECRET}"},
        {"id": "bad", "regex": SECRET, "glob": SECRET},
        {"id": "bad", "glob": SECRET, "reason": SECRET * 200},
        {"glob": SECRET},
    ],
)
def test_a_row_that_the_floor_does_not_take_is_refused_without_its_words(
    row: dict[str, Any],
) -> None:
    sealed = open_sealed(sealed_bundle({"never_filter": [ROW, row]}), KEYS)
    assert sealed is not None
    with pytest.raises(BundleError, match=rf"^{PATH}: never_filter\[1\]") as refused:
        parse_sealed_rows(sealed.rows)
    assert SECRET not in str(refused.value)


def test_the_floor_hash_covers_sealed_rows_by_a_commitment_nobody_can_guess_at() -> None:
    bundle = sealed_bundle()
    once, again = (open_sealed(bundle, KEYS) for _ in range(2))
    other = open_sealed(sealed_bundle(), KEYS)  # the same row under another data key
    changed = open_sealed(sealed_bundle({"never_filter": [{**ROW, "glob": "x"}]}), KEYS)
    assert once is not None
    assert again is not None
    assert other is not None
    assert changed is not None
    hashes = [
        Floor(None, parse_sealed_rows(one.rows)).hash for one in (once, again, other, changed)
    ]
    assert hashes[0] == hashes[1]
    assert len({*hashes, Floor(None, parse_rows([ROW], "open")).hash}) == 4
