"""A bundle folder is read whole or refused with the place."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
import rfc8785

from gateway.bundles.folder import parse_bundle, read_bundle
from gateway.bundles.limits import BundleLimits
from gateway.errors import BundleError
from tests.fakes.bundles import bundle_files


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def manifest(**members: object) -> dict[str, bytes]:
    value = {"revision": "", "roots": ["main", "data"], "metadata": {"version": 1}, **members}
    return {".manifest": json.dumps(value).encode()}


def test_reads_what_the_gateway_needs(tmp_path: Path) -> None:
    bundle = read_bundle(write(tmp_path, bundle_files(version=7)))
    assert bundle.version == 7
    assert bundle.class_declaration.attributes == ("process.executable.name", "service.name")
    assert bundle.class_declaration.score_edges == (250, 500, 750, 900, 1000)
    assert [window["from"] for window in bundle.windows] == ["09:00"]
    assert [row["id"] for row in bundle.never_filter] == ["pci-payments"]
    assert bundle.data["data"]["pci"]["never_filter"] == list(bundle.never_filter)


def test_hash_and_revision_follow_the_written_format(tmp_path: Path) -> None:
    files = bundle_files(version=7)
    bundle = read_bundle(write(tmp_path, files))
    canonical = b'{"metadata":{"version":7},"revision":"","roots":["main","data"]}'
    hashed = files | {".manifest": canonical}
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in hashed.items()}
    expected = hashlib.sha256(b"compliance-gateway/bundle/v1\n" + rfc8785.dumps(digests))
    assert bundle.hash == expected.hexdigest()
    assert bundle.revision == f"7-{expected.hexdigest()[:16]}"


@pytest.mark.parametrize(
    "path", ["main/main_test.rego", "schemas/input.json", ".regal/config.yaml"]
)
def test_every_file_counts_in_the_hash(path: str) -> None:
    files = bundle_files() | {path: b"1"}
    assert parse_bundle(files).hash != parse_bundle(files | {path: b"2"}).hash


def test_the_archive_is_the_same_bytes_and_leaves_tests_out(tmp_path: Path) -> None:
    files = bundle_files() | {"schemas/input.json": b"{}", "capabilities.json": b"{}"}
    one = read_bundle(write(tmp_path / "one", files))
    other = read_bundle(write(tmp_path / "other", dict(reversed(files.items()))))
    assert one.archive == other.archive
    with tarfile.open(fileobj=io.BytesIO(one.archive), mode="r:gz") as archive:
        names = [name.lstrip("/") for name in archive.getnames()]
        assert names == [".manifest", "data/data.yaml", "main/main.rego"]
        served = archive.extractfile(archive.getmembers()[0])
        assert served is not None
        assert json.loads(served.read())["revision"] == one.revision


def test_documents_of_several_files_are_merged() -> None:
    more = {"data/pci/data.yaml": b"extra: 1\n", "data/sox/data.json": b'{"never_filter": [{}]}'}
    bundle = parse_bundle(bundle_files() | more)
    assert bundle.data["data"]["pci"]["extra"] == 1
    assert len(bundle.never_filter) == 2


REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "yml": ({"data/pci/data.yml": b"a: 1"}, "data/pci/data.yml: OPA would leave this file out"),
    "other yaml": ({"data/pci/rows.yaml": b"a: 1"}, "data/pci/rows.yaml: OPA would leave"),
    "other json": ({"data/rows.json": b"{}"}, "data/rows.json: OPA would leave"),
    "data elsewhere": ({"main/data.yaml": b"a: 1"}, "main/data.yaml: data files stand below data/"),
    "duplicate key": ({"data/x/data.yaml": b"a: 1\na: 2\n"}, "data/x/data.yaml:2:1: .*twice"),
    "duplicate JSON": ({"data/x/data.json": b'{"a": 1, "a": 2}'}, "data/x/data.json: .*twice"),
    "NaN": ({"data/x/data.json": b'{"a": NaN}'}, "NaN is not JSON"),
    "bad JSON": ({"data/x/data.json": b"{"}, "data/x/data.json:1:2"),
    "bad UTF-8": ({"data/x/data.yaml": b"\xff"}, "data/x/data.yaml: not UTF-8"),
    "a list": ({"data/x/data.yaml": b"[1]"}, "data/x/data.yaml: must hold an object"),
    "same place": ({"data/pci/data.yaml": b"never_filter: []"}, "another data file gives"),
    "no rows": ({"data/x/data.yaml": b"never_filter: {}"}, "data.x.never_filter: must be a list"),
    "manifest member": (manifest(wasm=[]), "unknown member 'wasm'"),
    "no version": (manifest(metadata={}), "metadata.version"),
    "version true": (manifest(metadata={"version": True}), "metadata.version"),
    "version 0": (manifest(metadata={"version": 0}), "metadata.version"),
    "every root": (manifest(roots=[""]), "roots"),
    "system": (manifest(roots=["main", "system/authz"]), "roots"),
    "rego v0": (manifest(rego_version=0), "rego_version"),
    "manifest twice": ({".manifest": b'{"roots": [], "roots": []}'}, "stands twice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_place(name: str) -> None:
    files, message = REFUSED[name]
    with pytest.raises(BundleError, match=message):
        parse_bundle(bundle_files() | files)


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("", "must declare"),
        ("class: {attributes: [a]}", "must declare"),
        ("class: {attributes: [], score_edges: [1000]}", "attributes must list"),
        ("class: {attributes: [a, a], score_edges: [1000]}", "twice"),
        ("class: {attributes: [process.pid], score_edges: [1000]}", "never read process.pid"),
        ("class: {attributes: [process.cpu.time], score_edges: [1000]}", "never read"),
        ("class: {attributes: [1], score_edges: [1000]}", "as text"),
        ("class: {attributes: [a], score_edges: [500]}", "rising"),
        ("class: {attributes: [a], score_edges: [500, 500, 1000]}", "rising"),
        ("class: {attributes: [a], score_edges: [0.5, 1000]}", "rising"),
        ("class: {attributes: [a], score_edges: []}", "rising"),
    ],
)
def test_refuses_a_class_declaration(declaration: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        parse_bundle(bundle_files() | {"data/data.yaml": declaration.encode() or b"{}"})


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"\.manifest is missing"):
        read_bundle(tmp_path)
    with pytest.raises(BundleError, match="No such file"):
        read_bundle(tmp_path / "absent")


@pytest.mark.parametrize("kind", ["file", "folder", "pipe"])
def test_links_and_odd_files_are_refused(tmp_path: Path, kind: str) -> None:
    odd = write(tmp_path, bundle_files()) / "data" / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("/etc" if kind == "folder" else tmp_path / ".manifest")
    with pytest.raises(BundleError, match="data/odd: "):
        read_bundle(tmp_path)


@pytest.mark.parametrize("name", ["a b.rego", "ü.rego", "a\nb", "x~"])
def test_names_that_systems_spell_differently_are_refused(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, bundle_files())
    (folder / name).write_bytes(b"")
    with pytest.raises(BundleError, match="letters, digits"):
        read_bundle(folder)


@pytest.mark.parametrize(
    "limits",
    [
        BundleLimits(max_files=3),
        BundleLimits(max_file_bytes=100),
        BundleLimits(max_total_bytes=1000),
        BundleLimits(max_depth=1),
        BundleLimits(max_path_characters=10),
    ],
)
def test_sizes_are_limited(tmp_path: Path, limits: BundleLimits) -> None:
    folder = write(tmp_path, bundle_files())
    with pytest.raises(BundleError):
        read_bundle(folder, limits)


def test_the_products_own_policies_are_read() -> None:
    bundle = read_bundle(Path(__file__).parents[3] / "policies")
    assert bundle.never_filter
    assert any(window["name"] == "trading-hours" for window in bundle.windows)
