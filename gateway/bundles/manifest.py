"""A bundle's `.manifest`: version, roots and what is sealed (docs/formats.md section 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import canonical
from gateway.bundles.documents import parse_json
from gateway.errors import BundleError, CanonicalError

PATH = ".manifest"
MAX_VERSION = 2**53 - 1
# OPA would lay these over the manifest or over the bundle: a `patch.json` alone makes it a delta
# bundle, whose signature OPA does not verify.
_SPECIAL_NAMES = ("patch.json", "policy.wasm", "plan.json", "plan.pb", "data.yml")
_SPECIAL_ENDINGS = (".manifest", ".manifest.pb", "signatures.json")
_MEMBERS = {"revision", "roots", "metadata", "rego_version"}
_REGO_V1 = 1
# `system` holds the rules by which the engine admits callers, and `sealed` is the other bundle's.
_NOT_OURS = ("", "system", "sealed")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest's value. What its `revision` says does not count: the revision follows from the
    content, so `with_revision` writes it for who loads the bundle. `sealed` are the paths of data
    that must be sealed."""

    version: int
    roots: tuple[str, ...]
    sealed: tuple[str, ...]
    revision: str
    members: Mapping[str, Any]

    def with_revision(self, revision: str) -> bytes:
        """The manifest file in its canonical form (RFC 8785); the source's has revision ""."""
        try:
            return canonical.encode({**self.members, "revision": revision})
        except CanonicalError as error:
            raise BundleError(f"{PATH}: {error}; write whole numbers and text alone") from None


def read_manifest(content: bytes) -> Manifest:
    """Parse strictly; raises BundleError that names the member."""
    members = parse_json(PATH, content)
    if not isinstance(members, dict):
        raise BundleError(f"{PATH}: must be an object")
    if unknown := sorted(members.keys() - _MEMBERS):
        raise BundleError(f"{PATH}: unknown member {unknown[0][:60]!r}; remove it")
    revision = members.get("revision", "")
    if not isinstance(revision, str):
        raise BundleError(f"{PATH}: revision must be text")
    if type(members.get("rego_version", _REGO_V1)) is not int or (
        members.get("rego_version", _REGO_V1) != _REGO_V1
    ):
        raise BundleError(f"{PATH}: rego_version must be 1")
    return Manifest(_version(members), _roots(members), _sealed(members), revision, members)


def verify_newer(new_version: int, standing_version: int) -> None:
    """Raises BundleError unless a bundle of `new_version` may follow one of `standing_version`:
    OPA's signatures carry no freshness, so an old bundle stays well signed forever."""
    if new_version <= standing_version:
        raise BundleError(
            f"{PATH}: version {new_version} is not newer than {standing_version}, the newest one "
            "taken; raise metadata.version (to go back, use `gateway policy rollback`)"
        )


def verify_names(files: Mapping[str, bytes]) -> None:
    """Raises BundleError for a file that OPA would take for more than a file."""
    for path in files:
        name = path.rpartition("/")[2]
        if path != PATH and (name in _SPECIAL_NAMES or name.endswith(_SPECIAL_ENDINGS)):
            raise BundleError(f"{path}: OPA would take this file for more than a file; rename it")


def _version(members: Mapping[str, Any]) -> int:
    metadata = members.get("metadata")
    version = metadata.get("version") if isinstance(metadata, dict) else None
    if type(version) is not int or not 0 < version <= MAX_VERSION:
        raise BundleError(f"{PATH}: metadata.version must be a whole number from 1")
    return version


def _sealed(members: Mapping[str, Any]) -> tuple[str, ...]:
    sealed = members["metadata"].get("sealed", [])
    if not isinstance(sealed, list) or not all(isinstance(path, str) for path in sealed):
        raise BundleError(f"{PATH}: metadata.sealed must list the paths of sealed data files")
    return tuple(sealed)


def _roots(members: Mapping[str, Any]) -> tuple[str, ...]:
    roots = members.get("roots")
    if not isinstance(roots, list) or not roots:
        raise BundleError(f"{PATH}: roots must list the folders that the bundle owns")
    for root in roots:
        if not isinstance(root, str) or root.strip("/").split("/")[0] in _NOT_OURS:
            raise BundleError(
                f'{PATH}: roots may name neither everything ("") nor system nor sealed'
            )
    return tuple(roots)
