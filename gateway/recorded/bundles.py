"""Bundles from their stored archives: what OPA loads, and what the gateway needs beside it."""

import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.bundles import manifest as manifests
from gateway.bundles.documents import parse_json
from gateway.bundles.folder import REVISION_HEX_DIGITS, Bundle, parse_bundle
from gateway.bundles.limits import DEFAULT_LIMITS, BundleLimits
from gateway.decisions.windows import Schedule, parse_windows
from gateway.errors import BundleError
from gateway.wire.classes import ClassDeclaration

_GZIP = 16 + zlib.MAX_WBITS
_TAR_OVERHEAD_BYTES = 1024  # a header and padding a file


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as it was accepted. `hash` is what the log pins; it is over files that the archive
    leaves out too (tests), so an archive shows only the beginning of it, in its revision."""

    hash: str
    revision: str
    archive: bytes
    data: Mapping[str, Any]
    declaration: ClassDeclaration
    schedule: Schedule
    never_filter: tuple[Mapping[str, Any], ...]


def stored_bundle(bundle_hash: str, archive: bytes) -> StoredBundle:
    """The bundle of a stored archive; raises BundleError when it is none, or another bundle's."""
    place = f"the stored bundle {bundle_hash[:REVISION_HEX_DIGITS]}"
    files = unpack_archive(archive, place)
    if manifests.PATH not in files:
        raise BundleError(f"{place}: {manifests.PATH} is missing")
    members = parse_json(manifests.PATH, files[manifests.PATH])
    revision = str(members.get("revision")) if isinstance(members, dict) else ""
    if revision.rpartition("-")[2] != bundle_hash[:REVISION_HEX_DIGITS]:
        raise BundleError(f"{place}: its archive is of revision {revision[:80]!r}")
    bundle = parse_bundle(files)
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


def unpack_archive(
    archive: bytes, place: str, limits: BundleLimits = DEFAULT_LIMITS
) -> dict[str, bytes]:
    """The files of a tar.gz, sorted by path; raises BundleError for links, odd paths, damage and
    sizes past `limits`."""
    most = limits.max_total_bytes + limits.max_files * _TAR_OVERHEAD_BYTES
    try:
        inflate = zlib.decompressobj(_GZIP)
        plain = inflate.decompress(archive, most)
        if inflate.unconsumed_tail:
            raise BundleError(f"{place}: more than {most} bytes unpacked")
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            return dict(sorted(_files(tar, place, limits).items()))
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise BundleError(f"{place}: no archive of a bundle ({type(error).__name__})") from None


def _files(tar: tarfile.TarFile, place: str, limits: BundleLimits) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for member in tar:
        if member.isdir():
            continue
        path = member.name.removeprefix("./").lstrip("/")
        if not member.isfile() or ".." in path.split("/") or not path or path in files:
            raise BundleError(f"{place}: {path[:80]!r} is no plain file of its own; pack it anew")
        if len(files) == limits.max_files:
            raise BundleError(f"{place}: more than {limits.max_files} files")
        content = tar.extractfile(member)
        files[path] = content.read() if content is not None else b""
    return files
