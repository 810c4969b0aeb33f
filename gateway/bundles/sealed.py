"""The border of sealed data: it enters a bundle sealed, or the bundle is refused.

A sealed file is named `data.sops.yaml`, below `sealed/`. OPA does not read files of that name, so
nothing sealed is in what the policies' OPA is given; the bundle hash and the signature are over the
sealed bytes. Opened, it is served as another bundle, whose root is `sealed`.

This sees the form alone: that each value is spelled as SOPS spells what it sealed. Whether it
opens, and whether its MAC holds, is known only to who has the key. Messages never carry a value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.bundles.manifest import Manifest
from gateway.errors import BundleError, ConfigError
from gateway.sealed.sops_values import is_envelope
from gateway.wire.documents import load_yaml

FOLDER = "sealed"
NAME = "data.sops.yaml"
_METADATA = "sops"
_KEY_GROUPS = ("age", "aws_kms", "azure_kv", "gcp_kms", "hc_vault", "key_groups", "kms", "pgp")
_CLEAR_COMMENT = re.compile(r"#(?!ENC\[AES256_GCM,)")
_MEND = "seal it with `sops encrypt` before it is committed or built"


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A floor row of sealed data, in clear: its place, and the salt (32 bytes) of its file."""

    place: str
    row: Mapping[str, Any] = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedData:
    """Sealed data, opened: `archive` is the tar.gz that OPA fetches, with the root `sealed`; `rows`
    are the floor rows of its lists `never_filter`. Both are in clear: never written or shown."""

    revision: str
    archive: bytes = field(repr=False)
    rows: tuple[SealedRow, ...] = field(repr=False)


def verify_sealed(files: Mapping[str, bytes], manifest: Manifest) -> None:
    """Raises BundleError for a file that must be sealed and is not, and for one in the wrong
    place."""
    for path in manifest.sealed:
        if path not in files:
            raise BundleError(f"{path}: the manifest marks it as sealed data, but it is missing")
        if path.rpartition("/")[2] != NAME:
            raise BundleError(
                f"{path}: the manifest marks it as sealed data, but policies would be given it in "
                f"clear; {_MEND}, as {FOLDER}/…/{NAME}"
            )
    for path, content in files.items():
        folder, _, name = path.rpartition("/")
        in_place = folder == FOLDER or folder.startswith(FOLDER + "/")
        if in_place != (name == NAME):
            raise BundleError(
                f"{path}: sealed data, and nothing else, is named {NAME} and stands below {FOLDER}/"
            )
        if in_place:
            _verify_file(path, content)


def _verify_file(path: str, content: bytes) -> None:
    try:
        text = content.decode()
        value = load_yaml(text, path)
    except UnicodeDecodeError:
        raise BundleError(f"{path}: not UTF-8 text") from None
    except ConfigError as error:
        raise BundleError(str(error)) from None
    metadata = value.get(_METADATA) if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or not is_envelope(str(metadata.get("mac"))):
        raise BundleError(f"{path}: not sealed: it has no `sops` section with a MAC; {_MEND}")
    if not any(metadata.get(group) for group in _KEY_GROUPS):
        raise BundleError(f"{path}: its `sops` section names no key that could open it; {_MEND}")
    if _CLEAR_COMMENT.search(text):
        raise BundleError(f"{path}: a comment stands in clear; {_MEND}")
    for name, item in value.items():
        if name != _METADATA:
            _verify_value(path, name, item)


def _verify_value(path: str, place: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _verify_value(path, f"{place}.{name}", item)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _verify_value(path, f"{place}[{position}]", item)
    # SOPS leaves nulls and empty texts as they are.
    elif value not in (None, "") and not (isinstance(value, str) and is_envelope(value)):
        raise BundleError(f"{path}: {place} stands in clear; {_MEND}")
