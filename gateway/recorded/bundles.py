"""Bundles from their stored archives: what OPA loads, and what the gateway needs beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.bundles import signatures
from gateway.bundles.archive import read_archive
from gateway.bundles.folder import REVISION_HEX_DIGITS, Bundle, parse_bundle
from gateway.bundles.sealed import SealedData
from gateway.bundles.sealed_data import sealed_files, unseal
from gateway.decisions.windows import Schedule, parse_windows
from gateway.errors import BundleError
from gateway.sealed.port import SopsKeyService
from gateway.wire.classes import ClassDeclaration


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as it was accepted. `hash` is what the log pins, `archive` what OPA loads; `sealed`
    is its sealed data where somebody opened it, else `unopened` names the sealed files: served so,
    the bundle protects less than it says."""

    hash: str
    revision: str
    archive: bytes
    data: Mapping[str, Any]
    declaration: ClassDeclaration
    schedule: Schedule
    never_filter: tuple[Mapping[str, Any], ...]
    sealed: SealedData | None = None
    unopened: tuple[str, ...] = ()


def stored_bundle(
    bundle_hash: str, archive: bytes, key_service: SopsKeyService | None = None
) -> StoredBundle:
    """The bundle of a stored archive, its sealed data opened if a key service is given; raises
    BundleError when it is none, another bundle's, or does not open."""
    files = read_archive(archive)
    files.pop(signatures.PATH, None)  # whose key that was is no matter: the log pins the content
    bundle = parse_bundle(files)
    if bundle.hash != bundle_hash:
        raise BundleError(
            f"what is stored as bundle {bundle_hash[:REVISION_HEX_DIGITS]} is another one, "
            f"{bundle.revision}; restore a backup"
        )
    return accepted_bundle(bundle if key_service is None else unseal(bundle, key_service))


def accepted_bundle(bundle: Bundle) -> StoredBundle:
    """A bundle that was read; raises BundleError for windows that are none."""
    return StoredBundle(
        hash=bundle.hash,
        revision=bundle.revision,
        archive=bundle.archive,
        data=bundle.data,
        declaration=bundle.class_declaration,
        schedule=parse_windows(bundle.windows),
        never_filter=bundle.never_filter,
        sealed=bundle.sealed,
        unopened=() if bundle.sealed is not None else tuple(sealed_files(bundle)),
    )
