"""Sealed data, opened: a second bundle for OPA, made in memory, and the floor rows that it adds.

It follows from the sealed files alone, so its revision names them and says nothing of what they
hold (docs/formats.md section 8, Sealed data). Nothing here is written anywhere.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway import canonical
from gateway.bundles import manifest as manifests
from gateway.bundles.archive import pack_archive
from gateway.bundles.documents import merge_document
from gateway.bundles.folder import Bundle
from gateway.bundles.sealed import FOLDER, NAME, SealedData, SealedRow
from gateway.bundles.signed import SignedBundle
from gateway.errors import BundleError
from gateway.sealed.port import SopsKeyService
from gateway.sealed.sops import SopsError, open_sops

REVISION_DOMAIN = b"compliance-gateway/sealed-data/v1\n"
REVISION_HEX_DIGITS = 16
_CLEAR_NAME = "data.json"
_NEVER_FILTER = "never_filter"


def sealed_files(bundle: Bundle) -> dict[str, bytes]:
    """The bundle's sealed files, as they are, by path; empty without any."""
    return {
        path: content
        for path, content in sorted(bundle.files.items())
        if path.rpartition("/")[2] == NAME
    }


def open_sealed(bundle: Bundle, key_service: SopsKeyService) -> SealedData | None:
    """The bundle's sealed data, opened in memory; None where it has none. Raises BundleError that
    names the file and the path inside, never a value."""
    files = sealed_files(bundle)
    if not files:
        return None
    tree: dict[str, Any] = {}
    clear: dict[str, bytes] = {}
    rows: list[SealedRow] = []
    for path, content in files.items():
        try:
            opened = open_sops(content, path, key_service)
        except SopsError as error:
            raise BundleError(str(error)) from None
        found = _rows(opened.value, path)
        rows.extend(SealedRow(place, row, opened.salt) for place, row in found)
        folder, document = path.rpartition("/")[0], opened.value
        clear[f"{folder}/{_CLEAR_NAME}"] = _encode(document)
        for name in reversed(folder.split("/")):
            document = {name: document}
        merge_document(tree, document, path)  # for what two files say of one place
    return _packed(sealed_revision(bundle.revision, files), clear, rows)


def offered_sealed(bundle: Bundle) -> SealedData:
    """What OPA servers are offered beside the opened bundle: nothing, under a revision of its own,
    where it has no sealed data. They would go on with an earlier bundle's otherwise."""
    verify_unsealed(bundle)
    if bundle.sealed is not None:
        return bundle.sealed
    return _packed(sealed_revision(bundle.revision, {}), {}, ())


def unseal(bundle: Bundle, key_service: SopsKeyService) -> Bundle:
    """The bundle with its sealed data opened; the same one where it has none. Raises BundleError
    as `open_sealed`."""
    sealed = open_sealed(bundle, key_service)
    return bundle if sealed is None else replace(bundle, sealed=sealed)


def unseal_signed(signed: SignedBundle, key_service: SopsKeyService) -> SignedBundle:
    """The same of a signed bundle."""
    return replace(signed, bundle=unseal(signed.bundle, key_service))


def verify_unsealed(bundle: Bundle) -> None:
    """Raises BundleError for a bundle whose sealed data was not opened: served so, it would protect
    less than it says."""
    if bundle.sealed is None and (files := sealed_files(bundle)):
        raise BundleError(
            f"{next(iter(files))}: sealed data that nothing has opened; name the key service whose "
            "recipient it is sealed for"
        )


def sealed_revision(bundle_revision: str, files: Mapping[str, bytes]) -> str:
    """The second bundle's revision: the first one's, and which sealed files it was opened from."""
    digests: dict[str, canonical.Value] = {
        path: hashlib.sha256(content).hexdigest() for path, content in files.items()
    }
    digest = hashlib.sha256(REVISION_DOMAIN + canonical.encode(digests)).hexdigest()
    return f"{bundle_revision}.{FOLDER}.{digest[:REVISION_HEX_DIGITS]}"


def _packed(revision: str, clear: Mapping[str, bytes], rows: Sequence[SealedRow]) -> SealedData:
    manifest = canonical.encode({"revision": revision, "roots": [FOLDER]})
    return SealedData(revision, pack_archive({**clear, manifests.PATH: manifest}), tuple(rows))


def _encode(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True).encode()
    except UnicodeEncodeError:
        raise BundleError("sealed data holds text that is not Unicode; write it anew") from None


def _rows(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of every list `never_filter`, however deep; names and positions lead to a list in
    messages. A protection that is silently left out is none."""
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from _rows(item, f"{place}[{position}]")
    elif isinstance(value, dict):
        for name in sorted(value):
            if name == _NEVER_FILTER:
                yield from _listed(value[name], _below(place, name))
            else:
                yield from _rows(value[name], _below(place, name))


def _below(place: str, name: str) -> str:
    return f"{place}: {name}" if place.endswith(NAME) else f"{place}.{name}"


def _listed(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise BundleError(f"{place}: must be a list of objects")
    for position, row in enumerate(value):
        yield f"{place}[{position}]", row
