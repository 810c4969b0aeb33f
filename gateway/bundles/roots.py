"""Whether a bundle keeps to the roots that its manifest claims, as OPA will ask when it loads it.

OPA would refuse the bundle too, but only once it is about to serve it; here the author hears it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import BundleError

_SKIPPED = re.compile(r"\s*(?:#.*)?\Z")
_PACKAGE = re.compile(r"\s*package\s+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*(?:#.*)?\Z", re.ASCII)

_Path = tuple[str, ...]


def verify_roots(roots: Sequence[str], files: Mapping[str, bytes], data: Mapping[str, Any]) -> None:
    """Raises BundleError for overlapping roots, and names the policy or the data outside them."""
    paths = [tuple(root.strip("/").split("/")) for root in roots]
    for position, root in enumerate(paths):
        if any(_is_below(root, other) for other in paths[:position] + paths[position + 1 :]):
            raise BundleError(f".manifest: the root {'/'.join(root)} overlaps another; keep one")
    for path, content in files.items():
        if path.endswith(".rego"):
            package = read_package(path, content)
            if not any(_is_below(package, root) for root in paths):
                raise BundleError(
                    f"{path}: package {'.'.join(package)} is outside the manifest's roots"
                )
    _verify_data(paths, data, ())


def read_package(path: str, content: bytes) -> _Path:
    """The package of a Rego file, by its first line that is no comment; raises BundleError."""
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise BundleError(f"{path}: not UTF-8 text") from None
    first = next((line for line in lines if not _SKIPPED.match(line)), "")
    found = _PACKAGE.match(first)
    if found is None:
        raise BundleError(f"{path}: start with `package` and a plain dotted name on one line")
    return tuple(found[1].split("."))


def _verify_data(roots: Sequence[_Path], value: Any, place: _Path) -> None:
    if any(_is_below(place, root) for root in roots):
        return
    leads_to_a_root = any(_is_below(root, place) for root in roots)
    if not isinstance(value, dict) or not leads_to_a_root:
        raise BundleError(f"data at {'/'.join(place)} is outside the manifest's roots")
    for name, item in value.items():
        _verify_data(roots, item, (*place, name))


def _is_below(path: _Path, root: _Path) -> bool:
    return path[: len(root)] == root
