"""Bundles from their stored archives: what OPA loads, and what the gateway needs beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.bundles import manifest as manifests
from gateway.bundles import signatures
from gateway.bundles.archive import read_archive
from gateway.bundles.folder import REVISION_HEX_DIGITS, Bundle, parse_bundle
from gateway.decisions.windows import Schedule, parse_windows
from gateway.errors import BundleError
from gateway.wire.classes import ClassDeclaration


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as it was accepted. `hash` is what the log pins; it is over files that the archive
    leaves out (tests), so an archive shows only the beginning of it, in its revision."""

    hash: str
    revision: str
    archive: bytes
    data: Mapping[str, Any]
    declaration: ClassDeclaration
    schedule: Schedule
    never_filter: tuple[Mapping[str, Any], ...]


def stored_bundle(bundle_hash: str, archive: bytes) -> StoredBundle:
    """The bundle of a stored archive; raises BundleError when it is none, or another bundle's."""
    files = read_archive(archive)
    files.pop(signatures.PATH, None)
    bundle = parse_bundle(files)
    if bundle.hash == bundle_hash:  # the whole bundle was stored, as its author built it
        return accepted_bundle(bundle)
    revision = manifests.read_manifest(files[manifests.PATH]).revision
    if revision.rpartition("-")[2] != bundle_hash[:REVISION_HEX_DIGITS]:
        raise BundleError(
            f"the archive stored as bundle {bundle_hash[:REVISION_HEX_DIGITS]} is of revision "
            f"{revision[:80]!r}"
        )
    return _stored(bundle, bundle_hash, revision, archive)


def accepted_bundle(bundle: Bundle) -> StoredBundle:
    """A bundle that was read from its source; raises BundleError for windows that are none."""
    return _stored(bundle, bundle.hash, bundle.revision, bundle.archive)


def _stored(bundle: Bundle, bundle_hash: str, revision: str, archive: bytes) -> StoredBundle:
    return StoredBundle(
        hash=bundle_hash,
        revision=revision,
        archive=archive,
        data=bundle.data,
        declaration=bundle.class_declaration,
        schedule=parse_windows(bundle.windows),
        never_filter=bundle.never_filter,
    )
