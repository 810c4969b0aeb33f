"""Building: from an author's folder to the one file that is signed, sent and served."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.bundles import manifest as manifests
from gateway.bundles import signatures
from gateway.bundles.archive import pack_archive
from gateway.bundles.folder import Bundle, read_bundle
from gateway.bundles.keys import BundleKey, verify_keyid
from gateway.bundles.limits import DEFAULT_LIMITS, BundleLimits
from gateway.bundles.signed import open_bundle, verify_content


def build_bundle(
    folder: Path,
    key: ec.EllipticCurvePrivateKey,
    keyid: str,
    limits: BundleLimits = DEFAULT_LIMITS,
) -> bytes:
    """The signed archive of a bundle folder: the same bytes for the same content and key.

    Raises BundleError and ConfigError. What OPA says of the policies is the caller's to ask
    (`gateway.bundles.acceptance`)."""
    return sign_bundle(read_bundle(folder, limits), key, keyid, limits)


def sign_bundle(
    bundle: Bundle,
    key: ec.EllipticCurvePrivateKey,
    keyid: str,
    limits: BundleLimits = DEFAULT_LIMITS,
) -> bytes:
    """The signed archive of a bundle that was read already; raises as `build_bundle` does."""
    verify_keyid(keyid)
    verify_content(bundle)
    manifest = manifests.read_manifest(bundle.files[manifests.PATH])
    files = {**bundle.files, manifests.PATH: manifest.with_revision(bundle.revision)}
    signature = signatures.sign_files(files, bundle.hash, keyid, key)
    archive = pack_archive({**files, signatures.PATH: signature})
    # What is built must open: an author hears here what every gateway would say.
    open_bundle(archive, [BundleKey(keyid, key.public_key())], limits)
    return archive
