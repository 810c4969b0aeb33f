"""Floors of the past, made again. A signing key may have changed since, so a signed floor is read
without its signature here; what counts is the floor hash that the log pins."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway import canonical
from gateway.bundles.sealed import SealedData
from gateway.decisions.floor import Floor, FloorFile, RowSource, parse_rows, parse_sealed_rows
from gateway.errors import BundleError, GatewayError
from gateway.recorded.serving import ServingRecord

_PLACE = "the floor kept in the bundle store"
_SIGNATURES = "\n\n"


def unverified_floor_file(note: bytes) -> FloorFile | None:
    """The rows of a signed floor, None of an empty one; raises BundleError. Hold the floor's hash
    against one that is trusted."""
    if not note:
        return None
    try:
        text = note.decode().split(_SIGNATURES, 1)[0]
        _origin, version, rows = text.split("\n")
        value = canonical.decode(rows.encode())
        if not isinstance(value, list):
            raise ValueError("the rows are no list")
        return FloorFile(int(version), parse_rows(value, _PLACE))
    except (ValueError, GatewayError) as error:
        raise BundleError(f"{_PLACE} is none: {error}") from None


def floor_over(
    file: FloorFile | None,
    bundle_rows: Sequence[Mapping[str, Any]],
    protections: Sequence[Mapping[str, Any]],
    sealed: SealedData | None = None,
) -> Floor:
    """Minimum, file, a bundle's rows, open and sealed, and protections by hand: they only add up.
    Raises BundleError naming a row that is none."""
    rows = parse_rows(bundle_rows, "never_filter rows of the bundle")
    if sealed is not None:
        rows += parse_sealed_rows(sealed.rows)
    return Floor(file, rows, parse_rows(protections, "protections"))


def floor_of(serving: ServingRecord, bundle: RowSource) -> Floor:
    """The floor over a bundle with the file and protections of that moment; raises BundleError."""
    file = unverified_floor_file(serving.floor_note)
    return floor_over(file, bundle.never_filter, serving.protections, bundle.sealed)
