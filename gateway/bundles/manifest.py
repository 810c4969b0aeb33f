"""A bundle's `.manifest`: version and roots (docs/formats.md section 8)."""

import json
from dataclasses import dataclass
from typing import Any

from gateway.bundles.documents import parse_json
from gateway.errors import BundleError

PATH = ".manifest"
MAX_VERSION = 2**53 - 1
_MEMBERS = {"revision", "roots", "metadata", "rego_version"}
_REGO_V1 = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest in its source form. Its `revision` is empty there or stale: the revision
    follows from the content, so `with_revision` writes it for the server."""

    version: int
    roots: tuple[str, ...]
    members: dict[str, Any]

    def with_revision(self, revision: str) -> bytes:
        """The manifest file that OPA loads."""
        members = {**self.members, "revision": revision}
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def read_manifest(content: bytes) -> Manifest:
    """Parse strictly; raises BundleError that names the member."""
    members = parse_json(PATH, content)
    if not isinstance(members, dict):
        raise BundleError(f"{PATH}: must be an object")
    if unknown := sorted(members.keys() - _MEMBERS):
        raise BundleError(f"{PATH}: unknown member {unknown[0][:60]!r}; remove it")
    if not isinstance(members.get("revision", ""), str):
        raise BundleError(f"{PATH}: revision must be text")
    if members.get("rego_version", _REGO_V1) != _REGO_V1:
        raise BundleError(f"{PATH}: rego_version must be 1")
    return Manifest(_version(members), _roots(members), members)


def _version(members: dict[str, Any]) -> int:
    metadata = members.get("metadata")
    version = metadata.get("version") if isinstance(metadata, dict) else None
    if type(version) is not int or not 0 < version <= MAX_VERSION:
        raise BundleError(f"{PATH}: metadata.version must be a whole number from 1")
    return version


def _roots(members: dict[str, Any]) -> tuple[str, ...]:
    roots = members.get("roots")
    if not isinstance(roots, list) or not roots:
        raise BundleError(f"{PATH}: roots must list the folders that the bundle owns")
    for root in roots:
        # `system` holds the rules by which the engine admits callers; no bundle may reach it.
        if not isinstance(root, str) or root.strip("/").split("/")[0] in ("", "system"):
            raise BundleError(f'{PATH}: roots may name neither everything ("") nor system')
    return tuple(roots)
