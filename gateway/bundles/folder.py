"""A policy bundle, parsed once from its files (docs/formats.md section 8)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import canonical
from gateway.bundles import manifest as manifests
from gateway.bundles import signatures
from gateway.bundles.archive import pack_archive
from gateway.bundles.declaration import read_declaration
from gateway.bundles.documents import is_data_document, read_data
from gateway.bundles.files import read_files
from gateway.bundles.limits import DEFAULT_LIMITS, BundleLimits
from gateway.bundles.sealed import SealedData, verify_sealed
from gateway.errors import BundleError
from gateway.wire.classes import ClassDeclaration

HASH_DOMAIN = b"compliance-gateway/bundle/v1\n"
REVISION_HEX_DIGITS = 16
TEST_ENDING = "_test.rego"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One bundle. `files` are the folder's, `.manifest` in its canonical form with revision "";
    `hash` is over all of them, tests included, so that a folder and the archive built of it agree.
    `archive` is the deterministic tar.gz that OPA loads: policies, data and the manifest with
    `revision` filled in, no tests. `data` is the tree below Rego's `data`; `never_filter` are the
    floor rows it adds. `sealed` is its sealed data once that was opened
    (`gateway.bundles.sealed_data.unseal`)."""

    files: Mapping[str, bytes]
    version: int
    hash: str
    revision: str
    class_declaration: ClassDeclaration
    windows: tuple[Mapping[str, Any], ...]
    never_filter: tuple[Mapping[str, Any], ...]
    data: Mapping[str, Any]
    archive: bytes
    sealed: SealedData | None = None


def read_bundle(path: Path, limits: BundleLimits = DEFAULT_LIMITS) -> Bundle:
    """Read and check a bundle folder, unsigned; raises BundleError that names the file and mend.

    This says nothing about what the policies do: see `gateway.bundles.acceptance`."""
    return parse_bundle(read_files(path, limits))


def parse_bundle(files: Mapping[str, bytes]) -> Bundle:
    """The bundle of these files, by path, whoever vouches for them; raises BundleError."""
    if manifests.PATH not in files:
        raise BundleError(f"{manifests.PATH} is missing; name the folder that holds it")
    manifest = manifests.read_manifest(files[manifests.PATH])
    files = {**files, manifests.PATH: manifest.with_revision("")}
    if signatures.PATH in files:
        raise BundleError(f"{signatures.PATH}: a folder is not signed; remove it, and build it")
    verify_sealed(files, manifest)
    data = read_data(files)
    manifests.verify_names(files)
    documents = data.get("data", {})
    bundle_hash = hash_files(files)
    revision = f"{manifest.version}-{bundle_hash[:REVISION_HEX_DIGITS]}"
    return Bundle(
        files=files,
        version=manifest.version,
        hash=bundle_hash,
        revision=revision,
        class_declaration=read_declaration(documents.get("class")),
        windows=_windows(documents),
        never_filter=_never_filter(documents),
        data=data,
        archive=pack_archive(served_files(files, manifest.with_revision(revision))),
    )


def hash_files(files: Mapping[str, bytes]) -> str:
    """The bundle hash over path and content of every file, 64 hex digits. `.manifest` must be in
    its canonical form with revision ""; `.signatures.json` is not among the files."""
    digests: dict[str, canonical.Value] = {
        path: hashlib.sha256(content).hexdigest() for path, content in files.items()
    }
    return hashlib.sha256(HASH_DOMAIN + canonical.encode(digests)).hexdigest()


def served_files(files: Mapping[str, bytes], manifest: bytes) -> dict[str, bytes]:
    """What the server loads: nothing that it would ignore, and no tests."""
    served = {
        path: content
        for path, content in files.items()
        if is_data_document(path) or (path.endswith(".rego") and not path.endswith(TEST_ENDING))
    }
    return {**served, manifests.PATH: manifest}


def _windows(documents: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    found = documents.get("windows", [])
    if isinstance(found, dict):  # data/windows/data.yaml: a list named windows in a folder windows
        found = found.get("windows", [])
    return _rows(found, "data.windows")


def _never_filter(documents: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    rows: list[Mapping[str, Any]] = []
    for framework in sorted(documents):
        document = documents[framework]
        if isinstance(document, dict) and "never_filter" in document:
            rows.extend(_rows(document["never_filter"], f"data.{framework}.never_filter"))
    return tuple(rows)


def _rows(value: Any, place: str) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise BundleError(f"{place}: must be a list of objects")
    return tuple(value)
