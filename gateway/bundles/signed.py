"""A signed bundle, opened: from bytes that anybody may have sent to a bundle that counts.

The order is that of trust. The archive is bounded and taken apart; then the signature is held
against configured keys, so that no YAML, schema or policy of a stranger is read; then the content
is held against what was signed and what it claims of itself. Freshness is the caller's to ask
(`gateway.bundles.manifest.verify_newer`), as is OPA's judgement (`gateway.bundles.acceptance`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.bundles import manifest as manifests
from gateway.bundles import signatures
from gateway.bundles.archive import read_archive
from gateway.bundles.folder import Bundle, parse_bundle
from gateway.bundles.keys import BundleKey
from gateway.bundles.limits import DEFAULT_LIMITS, BundleLimits
from gateway.bundles.roots import verify_roots
from gateway.bundles.schemas import verify_schemas
from gateway.errors import BundleError


@dataclass(frozen=True, slots=True)
class SignedBundle:
    """A bundle that a configured key signed. `archive_bytes` are exactly those that were opened:
    what real OPA servers are given, since OPA can verify them. `key_fingerprint` is the SHA-256 of
    the key's SubjectPublicKeyInfo, 64 hex digits."""

    bundle: Bundle
    archive_bytes: bytes = field(repr=False)
    keyid: str
    key_fingerprint: str


def open_bundle(
    data: bytes, keys: Sequence[BundleKey], limits: BundleLimits = DEFAULT_LIMITS
) -> SignedBundle:
    """The bundle in a built archive; raises BundleError that says what does not hold. Takes some
    tenths of a second of the processor: call it outside an event loop."""
    files = read_archive(data, limits)
    signature = files.pop(signatures.PATH, None)
    if signature is None:
        raise BundleError(
            f"the bundle is not signed: {signatures.PATH} is missing; "
            "build it with `gateway policy build --key`"
        )
    if manifests.PATH not in files:
        raise BundleError(f"{manifests.PATH} is missing; build it with `gateway policy build`")
    key, signed_hash = signatures.verify_signatures(signature, files, keys)
    bundle = parse_bundle(files)
    if bundle.hash != signed_hash:
        raise BundleError("the content is not what was signed: the bundle hash differs")
    claimed = manifests.read_manifest(files[manifests.PATH]).revision
    if claimed != bundle.revision:
        raise BundleError(
            f"{manifests.PATH}: says revision {claimed[:80]!r}, but the content's is "
            f"{bundle.revision}; build it with `gateway policy build`"
        )
    verify_content(bundle)
    return SignedBundle(bundle, data, key.keyid, key.fingerprint)


def verify_content(bundle: Bundle) -> None:
    """What a bundle must hold before it may be signed or taken, beyond being readable: it keeps to
    its roots and its data to their schemas. Raises BundleError."""
    manifest = manifests.read_manifest(bundle.files[manifests.PATH])
    verify_roots(manifest.roots, bundle.files, bundle.data)
    verify_schemas(bundle.files)
